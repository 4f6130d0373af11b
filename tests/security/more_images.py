"""HEIC, AVIF, BMP, GIF and TIFF files that claim other sizes than they have."""

import io
import struct

from PIL import Image
from pillow_heif import from_pillow

from tests.conftest import encode


def flat(kind: str, side: int) -> bytes:
    """A grey image in few bytes."""
    picture = Image.new("L" if kind in ("GIF", "BMP") else "RGB", (side, side), 128)
    if kind == "HEIC":
        stream = io.BytesIO()
        from_pillow(picture).save(
            stream, quality=10, chroma=420, enc_params={"preset": "ultrafast"}
        )
        return stream.getvalue()
    if kind == "BMP":
        return encode(picture.convert("1"), kind)
    if kind == "TIFF":
        return encode(picture, kind, compression="tiff_adobe_deflate")
    return encode(picture, kind, speed=10)  # which only AVIF has


def claiming(data: bytes, width: int, height: int) -> bytes:
    """The file with another size in its header; the pixels remain."""
    if data.startswith(b"BM"):
        return data[:18] + struct.pack("<ii", width, height) + data[26:]
    if data.startswith(b"GIF"):
        size = struct.pack("<HH", width, height)
        frame = _end_of_palette(data)
        return data[:6] + size + data[10 : frame + 5] + size + data[frame + 9 :]
    if data.startswith(b"II"):
        changed, start = bytearray(data), int.from_bytes(data[4:8], "little")
        for at, value in ((start + 2, width), (start + 14, height)):  # the fields 256 and 257
            changed[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
        return bytes(changed)
    at = data.index(b"ispe")
    return data[: at + 8] + struct.pack(">II", width, height) + data[at + 16 :]


def gif_with_blocks(number: int) -> bytes:
    """A GIF with that many blocks of comments before its frame."""
    whole = flat("GIF", 16)
    comment = b"!\xfe" + b"\x01," * number + b"\0"
    end = _end_of_palette(whole)
    return whole[:end] + comment + whole[end:]


def tiff_with_tile(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels with a tile of `side` x `side`."""
    fields = ((256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1))
    tiles = ((322, side), (323, side), (324, 8), (325, 8))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in (*fields, *tiles))
    return b"II*\0" + struct.pack("<IH", 8, len(fields) + len(tiles)) + entries + bytes(4)


def grid_of_one_tile(references: int) -> bytes:
    """A HEIC of 512 x 512 pixels, a grid that uses one tile of 512 x 512 again and again."""
    size = _box(b"ispe", struct.pack(">III", 0, 512, 512))
    items = _box(b"infe", b"\2\0\0\0\0\1\0\0grid\0") + _box(b"infe", b"\2\0\0\0\0\2\0\0hvc1\0")
    links = struct.pack(">IIHBBHBB", 0, 2, 1, 1, 1, 2, 1, 1)
    parts = struct.pack(">HH", 1, references) + b"\0\2" * references
    meta = (
        _box(b"pitm", b"\0\0\0\0\0\1"),
        _box(b"iinf", b"\0\0\0\0\0\2" + items),
        _box(b"iprp", _box(b"ipco", size) + _box(b"ipma", links)),
        _box(b"iref", b"\0\0\0\0" + _box(b"dimg", parts)),
    )
    return _box(b"ftyp", b"heic\0\0\0\0mif1heic") + _box(b"meta", bytes(4) + b"".join(meta))


def _end_of_palette(gif: bytes) -> int:
    return 13 + (3 << (gif[10] & 7) + 1)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content
