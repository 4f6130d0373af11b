"""Mutates image files: truncated, with changed bytes, and with changed headers."""

import io
import random
import struct
import zlib
from functools import cache

from PIL import Image

from harness.photos import find_portraits

_SIDE = 200
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEADER = 400  # bytes
_PNG = b"\x89PNG\r\n\x1a\n"
_VOCABULARY = "".join(
    f"{word} {number} {number * number % 7} 0.5\n"
    for number, word in enumerate(("orange", "king", "queen", "river", "doctor", "green"), 1)
).encode()


class ImageMutator:
    """Chooses images of a face, and changes them."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng

    def whole(self) -> bytes:
        """A valid file of one of the formats of the service."""
        return self._random.choice(_images())

    def vocabulary(self) -> bytes:
        """A vector file in the text format, in a quarter of the cases a broken one."""
        file = _VOCABULARY
        return self._flip(file) if self._random.random() < 0.25 else file

    def mutated(self) -> bytes:
        """An image with one to three changes."""
        data = self.whole()
        changes = (self._truncate, self._flip, self._flip_header, self._change_number, self._splice)
        for _ in range(self._random.randint(1, 3)):
            data = self._random.choice(changes)(data)
            if self._random.random() < 0.3:
                data = self._change_structure(data)
        return data

    def _truncate(self, data: bytes) -> bytes:
        return data[: self._random.randrange(len(data) + 1)]

    def _flip(self, data: bytes) -> bytes:
        """Changes some bytes anywhere."""
        changed = bytearray(data)
        for _ in range(self._random.choice((1, 3, 30)) if data else 0):
            changed[self._random.randrange(len(data))] = self._random.randrange(256)
        return bytes(changed)

    def _flip_header(self, data: bytes) -> bytes:
        return self._flip(data[:_HEADER]) + data[_HEADER:]

    def _change_number(self, data: bytes) -> bytes:
        """Writes a number at the edge of its range into the header."""
        size, order = self._random.choice((1, 2, 4)), self._random.choice("<>")
        value = self._random.choice(_INTERESTING) & (1 << 8 * size) - 1
        at = self._random.randrange(_HEADER)
        return data[:at] + struct.pack(f"{order}{' BH I'[size]}", value) + data[at + size :]

    def _splice(self, data: bytes) -> bytes:
        """Replaces the end by a part of another image, or of the same."""
        other, at = self.whole(), self._random.randrange(len(data) + 1)
        return data[:at] + other[self._random.randrange(len(other)) :]

    def _change_structure(self, data: bytes) -> bytes:
        if data.startswith(_PNG):
            return self._change_png(data)
        if data.startswith(b"\xff\xd8"):
            return self._change_jpeg(data)
        if data.startswith(b"RIFF"):
            return self._change_webp(data)
        return data

    def _change_jpeg(self, data: bytes) -> bytes:
        """Changes a segment: its marker or length, the size of the frame, or its number."""
        starts = [at for at in range(2, len(data) - 9) if data[at] == 0xFF and data[at + 1] >= 0xC0]
        if not starts:
            return data
        at = self._random.choice(starts[:30])
        match self._random.randrange(4):
            case 0:
                return (
                    data[: at + 1] + bytes([self._random.randrange(0xC0, 0x100)]) + data[at + 2 :]
                )
            case 1:
                return data[: at + 2] + self._random.randbytes(2) + data[at + 4 :]
            case 2:
                size = struct.pack(">HH", *self._random.choices(_INTERESTING[:8], k=2))
                return data[: at + 5] + size + data[at + 9 :]
        return data[:at] + data[at : at + 60] * self._random.choice((2, 50)) + data[at:]

    def _change_png(self, data: bytes) -> bytes:
        """Changes the header of the image, or the type of a chunk, with a correct checksum."""
        if len(data) < 33:
            return data
        width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", data[16:29])
        width, height = self._random.choice(
            ((width, height + 1), (0, height), (2**31, 1), (1, 40_000_000), (width * 2, height))
        )
        depth = self._random.choice((depth, 1, 2, 4, 16, 3))
        colour = self._random.choice((colour, 0, 2, 3, 4, 6, 9))
        size = (width & 0xFFFFFFFF, height & 0xFFFFFFFF)
        header = b"IHDR" + struct.pack(">IIBBBBB", *size, depth, colour, *rest)
        return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]

    def _change_webp(self, data: bytes) -> bytes:
        """Changes the type of the first chunk, or a length."""
        kind = self._random.choice((b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"EXIF", data[12:16]))
        length = struct.pack("<I", self._random.choice(_INTERESTING))
        if self._random.random() < 0.5:
            return data[:12] + kind + length + data[20:]
        return data[:4] + length + data[8:12] + kind + data[16:]


@cache
def _images() -> tuple[bytes, ...]:
    photo = Image.open(io.BytesIO(find_portraits()["obama"])).convert("RGB")
    photo.thumbnail((_SIDE, _SIDE))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    return (
        _encode(photo, "JPEG", quality=90),
        _encode(photo, "JPEG", quality=70, progressive=True),
        _encode(photo, "JPEG", quality=80, exif=exif.tobytes()),
        _encode(photo.convert("L"), "JPEG"),
        _encode(photo.convert("CMYK"), "JPEG"),
        _encode(photo, "PNG"),
        _encode(photo.convert("P"), "PNG"),
        _encode(photo.convert("RGBA"), "PNG"),
        _encode(photo.convert("1"), "PNG"),
        _encode(photo, "WEBP"),
        _encode(photo, "WEBP", lossless=True),
        _encode(photo.convert("RGBA"), "WEBP", exif=exif.tobytes()),
        _encode(photo, "AVIF", speed=10),
        _encode(photo.convert("RGBA"), "AVIF", speed=10, exif=exif.tobytes()),
        _encode(photo, "BMP"),
        _encode(photo, "GIF"),
        _encode(photo, "TIFF", compression="tiff_lzw", tiffinfo={0x0112: 6}),
    )


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
