"""Reads the first directory of a TIFF file (TIFF 6.0)."""

from dataclasses import dataclass
from typing import Literal

from app.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType

SIGNATURES = (b"II*\0", b"MM\0*")

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _ORIENTATION = 256, 257, 258, 259, 274
_SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 277, 322, 323
_SIZES = {1: 1, 3: 2, 4: 4}
"""Bytes of a value by its type: BYTE, SHORT, LONG."""
_COMPRESSIONS = frozenset((1, 2, 3, 4, 5, 8, 32773, 32946))
"""None, three of CCITT, LZW, Deflate twice, PackBits. An embedded JPEG could have many scans."""
_MAX_FIELDS = 500
_MAX_BITS, _MAX_SAMPLES = 16, 5
_MAX_TILE = 1 << 20
"""Pixels of a tile of an image that has fewer."""


@dataclass(frozen=True, slots=True)
class TiffHeader:
    """Size in pixels before EXIF orientation, which is 1 to 8."""

    width: int
    height: int
    orientation: int


def read_tiff(data: bytes) -> TiffHeader:
    """Reads the first image. Raises InvalidImage, ImageTooLarge, and UnsupportedMediaType for a
    compression, a number of channels or bits that photos do not have."""
    fields = _fields(data)
    width, height = fields.get(_WIDTH, 0), fields.get(_HEIGHT, 0)
    bits, samples = fields.get(_BITS, 1), fields.get(_SAMPLES, 1)
    if fields.get(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise UnsupportedMediaType(
            "the compression of the TIFF is not supported; save it without, or with LZW or Deflate"
        )
    if bits > _MAX_BITS or samples > _MAX_SAMPLES:
        raise UnsupportedMediaType(
            f"the TIFF has {samples} channels of {bits} bits; save it with 3 channels of 8 bits"
        )
    tile = fields.get(_TILE_WIDTH, 0) * fields.get(_TILE_HEIGHT, 0)
    if tile > max(2 * width * height, _MAX_TILE):
        raise ImageTooLarge("the tiles of the TIFF are larger than the image; save it again")
    orientation = fields.get(_ORIENTATION, 1)
    return TiffHeader(width, height, orientation if 1 <= orientation <= 8 else 1)


def _fields(data: bytes) -> dict[int, int]:
    """The first value of each field of the first directory that is a whole number."""
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"

    def number(at: int, size: int) -> int:
        if at + size > len(data):
            raise InvalidImage("the image is truncated")
        return int.from_bytes(data[at : at + size], order)

    start = number(4, 4)
    count = number(start, 2)
    if count > _MAX_FIELDS:
        raise ImageTooLarge(f"the TIFF has {count} fields; the limit is {_MAX_FIELDS}")
    found: dict[int, int] = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, size = number(at, 2), _SIZES.get(number(at + 2, 2))
        if size is not None:
            inline = number(at + 4, 4) * size <= 4
            found[tag] = number(at + 8 if inline else number(at + 8, 4), size)
    return found
