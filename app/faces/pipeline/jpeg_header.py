"""Reads the frame header of a JPEG and counts its scans (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType

# Markers that start a segment, SOI and EOI; not stuffed bytes, TEM, RST and fill bytes.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn; without DHT, JPG, DAC
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2

_MAX_SEGMENTS = 2_000
"""Metadata of 10 MB is 160 segments; 100 scans with a table each are 200."""


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """Size in pixels, number of colour components, and number of scans."""

    width: int
    height: int
    components: int
    progressive: bool
    scans: int = 0


def read_frame(data: bytes) -> JpegFrame:
    """Walks the segments of the first image in `data`, as a decoder does.

    Raises InvalidImage for a missing, duplicate or truncated frame header, UnsupportedMediaType for
    a frame that is not Huffman-coded with 8 bits, and ImageTooLarge for too many segments.
    """
    frame: JpegFrame | None = None
    for marker, start in _segments(data):
        if marker in _FRAMES:
            if frame is not None:
                raise InvalidImage("the image is corrupt: the JPEG has two frame headers")
            frame = _frame(data[start : start + 8], marker)
        elif marker == _SOS and frame is not None:
            frame = replace(frame, scans=frame.scans + 1)
            in_scan = int.from_bytes(data[start + 2 : start + 3])
            if not frame.progressive and in_scan == frame.components:
                break  # a sequential image has each component once
    if frame is None:
        raise InvalidImage("the image is corrupt: the JPEG has no frame header")
    return frame


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields each marker with the position of its segment's length, up to EOI."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            return
        marker, start = data[found.end() - 1], found.end()
        if marker == _EOI:
            return
        if marker == _SOI:
            raise InvalidImage("the image is corrupt: the JPEG starts twice")
        yield marker, start
        at = start + max(2, int.from_bytes(data[start : start + 2]))
    raise ImageTooLarge(f"the JPEG has more than {_MAX_SEGMENTS} segments; save it again")


def _frame(header: bytes, marker: int) -> JpegFrame:
    if len(header) < 8:
        raise InvalidImage("the image is truncated")
    if marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE) or header[2] != 8:
        raise UnsupportedMediaType(
            "the JPEG is lossless, arithmetic-coded or has more than 8 bits per channel; send a "
            "baseline or progressive JPEG"
        )
    height, width = int.from_bytes(header[3:5]), int.from_bytes(header[5:7])
    return JpegFrame(width, height, header[7], marker == _PROGRESSIVE)
