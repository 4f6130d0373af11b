"""Reads the size that the data of an AV1 image states (AV1 specification, section 5.5)."""

from collections.abc import Iterator

from app.errors import ImageTooLarge, InvalidImage

_SEQUENCE_HEADER = 1
_MAX_UNITS = 1_000


def require_size(data: bytes, size: tuple[int, int]) -> None:
    """Checks that every sequence header of an item states its size, in pixels.

    A decoder allocates what the sequence header states. The frames of a still image with a reduced
    header have that size; the others may have any size that fits in the bits of their fields.
    Raises InvalidImage, and ImageTooLarge for such fields.
    """
    found = [_size(unit) for kind, unit in _units(data) if kind == _SEQUENCE_HEADER]
    if not found:
        raise InvalidImage("the image is corrupt: it has no AV1 sequence header")
    for width, height, largest in found:
        if (width, height) != size:
            raise InvalidImage("the image is corrupt: it states two sizes")
        if largest > 4 * width * height:
            raise ImageTooLarge(
                "the AV1 data may contain frames that are larger than the image; save it again as "
                "a still image"
            )


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields type and content of each open bitstream unit (OBU)."""
    at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(data):
            return
        head, at = data[at], at + 1
        at += head >> 2 & 1  # the extension
        size = len(data) - at
        if head & 2:
            size, at = _leb128(data, at)
        yield head >> 3 & 15, data[at : at + size]
        at += size
    raise ImageTooLarge(f"the AV1 data has more than {_MAX_UNITS} units; save the image again")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and the position after it."""
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise InvalidImage("the image is corrupt: its AV1 data is unreadable")


def _size(header: bytes) -> tuple[int, int, int]:
    """Width, height, and the pixels of the largest frame that a frame header can state."""
    bits = _Bits(header)
    bits.take(3 + 1)  # seq_profile, still_picture
    reduced = bits.take(1)
    if reduced:
        bits.take(5)  # seq_level_idx
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    width, height = bits.take(width_bits) + 1, bits.take(height_bits) + 1
    return width, height, width * height if reduced else 1 << width_bits + height_bits


def _skip_operating_points(bits: "_Bits") -> None:
    decoder_model, delay_bits = 0, 0
    if bits.take(1):  # timing_info_present_flag
        bits.take(64)
        if bits.take(1):  # equal_picture_interval
            bits.skip_uvlc()
        decoder_model = bits.take(1)
        if decoder_model:
            delay_bits = bits.take(5) + 1
            bits.take(32 + 5 + 5)
    delays = bits.take(1)  # initial_display_delay_present_flag
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if decoder_model and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if delays and bits.take(1):
            bits.take(4)


class _Bits:
    """Reads bits, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data[:256]), 8 * len(data[:256])

    def take(self, count: int) -> int:
        """The next `count` bits as a number. Raises InvalidImage after the end."""
        self._left -= count
        if self._left < 0:
            raise InvalidImage("the image is truncated")
        return self._value >> self._left & (1 << count) - 1

    def skip_uvlc(self) -> None:
        """Skips a number of variable length (uvlc)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        self.take(zeros if zeros < 32 else 0)
