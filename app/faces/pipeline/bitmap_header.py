"""Reads the sizes that BMP and GIF files state."""

from app.errors import ImageTooLarge, InvalidImage

_MAX_BLOCKS = 20_000
"""Of comments and extensions before the first frame of a GIF; each has up to 255 bytes."""


def bmp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a BMP; a negative height means that the top row is the first."""
    if len(data) < 26:
        raise _unreadable()
    if int.from_bytes(data[14:18], "little") == 12:  # BITMAPCOREHEADER
        return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
    width = int.from_bytes(data[18:22], "little", signed=True)
    return width, abs(int.from_bytes(data[22:26], "little", signed=True))


def gif_size(data: bytes) -> tuple[int, int]:
    """Width and height of a GIF, at least those of its first frame (GIF89a, section 18 to 20)."""
    if len(data) < 13:
        raise _unreadable()
    size = (int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
    at = _first_frame(data, 13 + _palette(data[10]))
    x, y, width, height = (
        int.from_bytes(data[at + field : at + field + 2], "little") for field in (1, 3, 5, 7)
    )
    if x + width > size[0] or y + height > size[1]:
        raise InvalidImage("the image is corrupt: its first frame is larger than the image")
    return size


def _first_frame(data: bytes, at: int) -> int:
    """The position of the descriptor of the first frame, after extensions and their blocks."""
    in_extension = False
    for _ in range(_MAX_BLOCKS):
        if at >= len(data):
            raise InvalidImage("the image is truncated")
        if in_extension:
            in_extension = data[at] > 0
            at += 1 + data[at]
        elif data[at] == ord(","):
            return at
        elif data[at] == ord("!"):
            in_extension, at = True, at + 2
        else:
            raise InvalidImage("the image is corrupt: it has no frame")
    raise ImageTooLarge(f"the GIF has more than {_MAX_BLOCKS} blocks before its first frame")


def _palette(flags: int) -> int:
    """The length of the palette in bytes."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _unreadable() -> InvalidImage:
    return InvalidImage("the image is corrupt: its header is unreadable")
