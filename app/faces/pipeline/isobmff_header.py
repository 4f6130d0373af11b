"""Reads the sizes that a HEIC or AVIF file states (ISO/IEC 14496-12 and 23008-12, items of images).

A file has items: coded images, grids of them, thumbnails, transparency. The decoder allocates what
the primary item and the items that it is made of state, so all of them count.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from app.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from app.faces.pipeline.av1_header import require_size

_MAX_BOXES = 5_000
"""In one box. A photo of a phone in 48 tiles has about 60 items with 3 properties each."""
_MAX_DEPTH = 4
"""Of items that are made of other items: an overlay or tone map, a grid, its tiles."""
_MAX_PARTS, _PARTS_OF_ANY_IMAGE = 8, 1_000_000
"""Largest ratio of the pixels of all parts to those of the image; portraits of phones have 4."""

_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1"))
_CODED = frozenset((b"hvc1", b"av01"))


@dataclass(slots=True)
class _Items:
    """Kinds, sizes, parts and bytes of the items, by their id; `alpha` has those of auxiliaries."""

    primary: int = -1
    kinds: dict[int, bytes] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)
    auxiliary: list[int] = field(default_factory=list)
    extents: dict[int, tuple[int, int]] = field(default_factory=dict)

    def pixels(self, item: int, known: dict[int, int], depth: int = 0) -> int:
        """The pixels of an item and of all that it is made of. Raises InvalidImage."""
        if depth > _MAX_DEPTH:
            raise InvalidImage("the image is corrupt: its parts are nested too deeply")
        if item not in known:
            width, height = self.sizes.get(item, (0, 0))
            parts = self.parts.get(item, ())
            known[item] = width * height + sum(self.pixels(one, known, depth + 1) for one in parts)
        return known[item]


def isobmff_format(data: bytes) -> Literal["HEIC", "AVIF"] | None:
    """HEIC or AVIF, by the brands of the file; None for other files, such as videos."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4]), 256, len(data))
    brands = {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIC" if brands & _HEIC_BRANDS else None


def read_isobmff(data: bytes) -> tuple[int, int]:
    """Width and height of the primary image in pixels, before it is turned.

    Raises InvalidImage for a file that cannot be read, UnsupportedMediaType for an animation or
    another coding, and ImageTooLarge for too many parts.
    """
    items = _Items()
    try:
        for kind, start, end in _boxes(data, 0, len(data)):
            if kind == b"moov":
                raise UnsupportedMediaType("the image is an animation; send a single image")
            if kind == b"meta":
                _read_meta(data, start + 4, end, items)
    except IndexError:
        raise _unreadable() from None
    if items.primary not in items.sizes:
        raise _unreadable()
    _require_coding(data, items)
    width, height = items.sizes[items.primary]
    known: dict[int, int] = {}
    total = sum(items.pixels(one, known) for one in (items.primary, *items.auxiliary))
    if total > _MAX_PARTS * width * height + _PARTS_OF_ANY_IMAGE:
        raise ImageTooLarge(
            f"the parts of the image have {total} pixels, those of an image of {width} x {height} "
            f"pixels at most {_MAX_PARTS} times as many as the image; save it again"
        )
    return width, height


def _require_coding(data: bytes, items: _Items) -> None:
    """Checks the kind of every item with pixels, and the size in the data of AV1 items.

    HEVC decoders get the stated size as their limit (libheif), decoders of AV1 do not.
    """
    for item, size in items.sizes.items():
        kind = items.kinds.get(item)
        if kind == b"av01":
            start, end = items.extents.get(item, (0, 0))
            require_size(data[start:end], size)
        elif kind not in _CODED and item not in items.parts:
            raise UnsupportedMediaType(
                "the image is coded in another way than HEVC or AV1; send a JPEG"
            )


def _read_meta(data: bytes, start: int, end: int, items: _Items) -> None:
    for kind, at, until in _boxes(data, start, end):
        if kind == b"pitm":
            items.primary = _number(data, at + 4, 2 if data[at] == 0 else 4)
        elif kind == b"iinf":
            items.kinds.update(_kinds(data, at, until))
        elif kind == b"iprp":
            items.sizes.update(_sizes(data, at, until))
        elif kind == b"iref":
            _read_references(data, at, until, items)
        elif kind == b"iloc":
            items.extents.update(_extents(data, at))


def _kinds(data: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The kinds of items by their id, of the box iinf."""
    for kind, at, _ in _boxes(data, start + (6 if data[start] == 0 else 8), end):
        if kind == b"infe":
            wide = 4 if data[at] >= 3 else 2  # bytes of an id; version 2 has 2
            name = at + 4 + wide + 2
            yield _number(data, at + 4, wide), data[name : name + 4]


def _sizes(data: bytes, start: int, end: int) -> dict[int, tuple[int, int]]:
    """The sizes of items by their id, of the box iprp: the last `ispe` of each."""
    properties: list[tuple[int, int] | None] = []
    found: dict[int, tuple[int, int]] = {}
    for kind, at, until in _boxes(data, start, end):
        if kind == b"ipco":
            for name, first, _ in _boxes(data, at, until):
                size = (_number(data, first + 4, 4), _number(data, first + 8, 4))
                properties.append(size if name == b"ispe" else None)
        elif kind == b"ipma":
            for item, index in _associations(data, at, until):
                size_of = properties[index - 1] if 0 < index <= len(properties) else None
                if size_of is not None:
                    found[item] = size_of
    return found


def _associations(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Ids of items with the indexes of their properties, which count from 1."""
    wide_id, wide_index = 2 if data[start] == 0 else 4, 2 if data[start + 3] & 1 else 1
    mask, at = 0x7FFF if wide_index == 2 else 0x7F, start + 8
    for _ in range(_number(data, start + 4, 4)):
        item, count = _number(data, at, wide_id), data[at + wide_id]
        at += wide_id + 1
        for _ in range(count):
            yield item, _number(data, at, wide_index) & mask
            at += wide_index
        if at > end:
            raise _unreadable()


def _read_references(data: bytes, start: int, end: int, items: _Items) -> None:
    wide = 2 if data[start] == 0 else 4
    for kind, at, until in _boxes(data, start + 4, end):
        item, count = _number(data, at, wide), _number(data, at + wide, 2)
        if kind == b"auxl":
            items.auxiliary.append(item)
        elif kind == b"dimg":
            first = at + wide + 2
            if first + wide * count > until:
                raise _unreadable()
            items.parts.setdefault(item, []).extend(
                _number(data, first + wide * index, wide) for index in range(count)
            )


def _extents(data: bytes, start: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Start and end in the file of items that are in one piece, by their id."""
    version = data[start]
    offset_bytes, length_bytes = data[start + 4] >> 4, data[start + 4] & 15
    base_bytes, index_bytes = data[start + 5] >> 4, data[start + 5] & 15 if version else 0
    wide = 4 if version == 2 else 2
    at = start + 6 + wide
    for _ in range(min(_number(data, start + 6, wide), _MAX_BOXES)):
        item, at = _number(data, at, wide), at + wide
        method = _number(data, at, 2) & 15 if version else 0
        at += 4 if version else 2  # construction method, data reference
        base, at = _number(data, at, base_bytes), at + base_bytes
        count, at = _number(data, at, 2), at + 2
        offset = base + _number(data, at + index_bytes, offset_bytes)
        length = _number(data, at + index_bytes + offset_bytes, length_bytes)
        at += count * (index_bytes + offset_bytes + length_bytes)
        if method == 0 and count == 1:
            yield item, (offset, offset + length)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields type, start and end of the content of each box."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, kind, content = _number(data, start, 4), data[start + 4 : start + 8], start + 8
        if size == 1:
            size, content = _number(data, start + 8, 8), start + 16
        until = end if size == 0 else start + size
        if not content <= until <= end:
            raise _unreadable()
        yield kind, content, until
        start = until
    raise ImageTooLarge(f"the image has more than {_MAX_BOXES} boxes; save it again")


def _number(data: bytes, at: int, size: int) -> int:
    """An unsigned number of `size` bytes. Raises InvalidImage after the end of the file."""
    if at + size > len(data):
        raise _unreadable()
    return int.from_bytes(data[at : at + size])


def _unreadable() -> InvalidImage:
    return InvalidImage("the image is corrupt: its header is unreadable")
