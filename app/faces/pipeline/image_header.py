"""Reads size and structure of image files from their bytes, before any decoding.

A decoder allocates what a header claims, and a progressive JPEG is decoded once per scan, so both
are known, and limited, before a decoder sees the file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from app.errors import ImageTooLarge, InvalidImage
from app.faces.pipeline.bitmap_header import bmp_size, gif_size
from app.faces.pipeline.isobmff_header import isobmff_format, read_isobmff
from app.faces.pipeline.jpeg_header import read_frame
from app.faces.pipeline.tiff_header import SIGNATURES, read_tiff

ImageFormat = Literal["JPEG", "PNG", "WEBP", "AVIF", "HEIC", "BMP", "GIF", "TIFF"]
IMAGE_TYPES = tuple(f"image/{kind.lower()}" for kind in get_args(ImageFormat))
"""The media types of the formats."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 20_000
"""Of a PNG; encoders write 4 to 64 KB of pixels per chunk."""

# Measured: pixels, their copy for orientation or rotation, and the decoder's buffers (Pillow's for
# the JPEGs that only Pillow decodes).
_BYTES_PER_PIXEL: dict[ImageFormat, int] = {
    "JPEG": 10,
    "PNG": 7,
    "WEBP": 7,
    "AVIF": 20,
    "HEIC": 20,
    "BMP": 7,
    "GIF": 13,
    "TIFF": 13,
}
_BYTES_PER_PIXEL_CMYK = 14


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file states. `width` and `height` are in pixels, before EXIF orientation.

    `scans` (passes over the image) and `components` (colour channels) are those of a JPEG, `exif`
    is the EXIF block of a PNG, `orientation` that of a TIFF.
    """

    format: ImageFormat
    width: int
    height: int
    scans: int = 1
    components: int = 3
    exif: bytes = b""
    orientation: int = 1

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.width * self.height

    @property
    def decoded_bytes(self) -> int:
        """The largest memory that decoding and turning the image takes, in bytes."""
        cmyk = self.components == 4
        per_pixel = _BYTES_PER_PIXEL_CMYK if cmyk else _BYTES_PER_PIXEL[self.format]
        if self.scans > 1:  # the decoder stores all coefficients, two bytes each
            per_pixel += 2 * self.components
        return per_pixel * self.pixels


def media_type_of(data: bytes) -> str:
    """The media type of an image file, such as image/jpeg; application/octet-stream of others."""
    kind = format_of(data)
    return f"image/{kind.lower()}" if kind else "application/octet-stream"


def format_of(data: bytes) -> ImageFormat | None:
    """The format of an image file, by its first bytes; None for others."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(_PNG_SIGNATURE):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(SIGNATURES):
        return "TIFF"
    return "BMP" if data.startswith(b"BM") else isobmff_format(data)


def read_header(data: bytes, kind: ImageFormat) -> ImageHeader:
    """Reads the header of an image file of that format.

    Raises UnsupportedMediaType for an unusual kind of JPEG, TIFF, HEIC or AVIF, InvalidImage for a
    header that cannot be read, and ImageTooLarge for too many segments, chunks, blocks or parts.
    """
    found = _READERS[kind](data)
    if found.width < 1 or found.height < 1:
        raise InvalidImage("the image has no pixels")
    return found


def _read_jpeg(data: bytes) -> ImageHeader:
    frame = read_frame(data)
    return ImageHeader("JPEG", frame.width, frame.height, frame.scans, frame.components)


def _read_tiff(data: bytes) -> ImageHeader:
    found = read_tiff(data)
    return ImageHeader("TIFF", found.width, found.height, orientation=found.orientation)


def _read_png(data: bytes) -> ImageHeader:
    """Reads IHDR, and eXIf, which may follow the pixels (W3C PNG, third edition)."""
    exif = b""
    for kind, start, length in _png_chunks(data):
        if (kind == b"IHDR") != (start == 16):
            raise _unreadable()  # not the first chunk, or another chunk first
        if kind == b"eXIf":
            exif = data[start : start + length]
    size = data[16:24]
    if len(size) < 8:
        raise _unreadable()
    return ImageHeader("PNG", int.from_bytes(size[:4]), int.from_bytes(size[4:]), exif=exif)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields type, position and length of each chunk's content, up to IEND or the end of data."""
    at = len(_PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if len(kind) < 4 or kind == b"IEND":
            return
        yield kind, at + 8, length
        at += length + 12
    raise ImageTooLarge(f"the PNG has more than {_MAX_CHUNKS} chunks; save it again")


def _webp_size(chunk: bytes) -> tuple[int, int]:
    """Width and height from the first 18 bytes of the first chunk (RFC 9649, section 2)."""
    if len(chunk) == 18 and chunk.startswith(b"VP8X"):
        return 1 + int.from_bytes(chunk[12:15], "little"), 1 + int.from_bytes(chunk[15:], "little")
    if chunk.startswith(b"VP8L") and len(chunk) >= 13 and chunk[8] == 0x2F:
        bits = int.from_bytes(chunk[9:13], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if len(chunk) == 18 and chunk.startswith(b"VP8 ") and chunk[11:14] == b"\x9d\x01\x2a":
        sides = (int.from_bytes(chunk[at : at + 2], "little") & 0x3FFF for at in (14, 16))
        return next(sides), next(sides)
    raise _unreadable()


def _unreadable() -> InvalidImage:
    return InvalidImage("the image is corrupt: its header is unreadable")


_READERS: dict[ImageFormat, Callable[[bytes], ImageHeader]] = {
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "WEBP": lambda data: ImageHeader("WEBP", *_webp_size(data[12:30])),
    "AVIF": lambda data: ImageHeader("AVIF", *read_isobmff(data)),
    "HEIC": lambda data: ImageHeader("HEIC", *read_isobmff(data)),
    "BMP": lambda data: ImageHeader("BMP", *bmp_size(data)),
    "GIF": lambda data: ImageHeader("GIF", *gif_size(data)),
    "TIFF": _read_tiff,
}
