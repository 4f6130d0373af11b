"""Small image files that are expensive to decode."""

import re
import struct
import zlib

from PIL import Image

from tests.conftest import encode


def many_scans(side: int, scans: int) -> bytes:
    """A grey progressive JPEG of `side` x `side` pixels whose last scan is repeated."""
    data = encode(Image.new("L", (side, side), 128), progressive=True)
    starts = [found.start() for found in re.finditer(rb"\xff\xda", data)]
    last = data[starts[-1] : -2]
    return data[:-2] + last * (scans - len(starts)) + data[-2:]


def png_of(width: int, height: int) -> bytes:
    """A black PNG of 1 bit per pixel."""
    pixels = zlib.compress(bytes(height * (1 + (width + 7) // 8)), 1)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [_chunk(b"IHDR", header), _chunk(b"IDAT", pixels), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_with_chunks(number: int) -> bytes:
    """A PNG of one pixel with empty chunks before its pixels."""
    whole = png_of(1, 1)
    return whole[:33] + _chunk(b"aaAa", b"") * number + whole[33:]


def webp_of(side: int) -> bytes:
    """A lossless WebP of one colour in about 40 bytes; its size is written over a smaller one."""
    data = bytearray(encode(Image.new("RGB", (16, 16)), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    bits = int.from_bytes(data[at : at + 4], "little") & ~0xFFFFFFF
    data[at : at + 4] = (bits | (side - 1) | (side - 1) << 14).to_bytes(4, "little")
    return bytes(data)


def jpeg_with_segments(number: int) -> bytes:
    """A JPEG with empty comments."""
    whole = encode(Image.new("RGB", (16, 16)))
    return whole[:2] + b"\xff\xfe\x00\x02" * number + whole[2:]


def jpeg_with_frame(marker: int) -> bytes:
    """A JPEG whose SOF0 marker is replaced by another."""
    whole = encode(Image.new("RGB", (64, 64)))
    return whole.replace(b"\xff\xc0", bytes([0xFF, marker]), 1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check
