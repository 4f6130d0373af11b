"""Rows searched by product-quantization codes and re-ranked by exact dot products (ADR 8).

Deleted rows are overwritten with zeros and their slots reused. Their codes remain, marked as
deleted, until there are so many of them that all codes are rebuilt.
"""

import weakref
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.crypto.stream import Readable, Writable
from app.index.faiss.code_rebuild import CodeRebuild
from app.index.faiss.frozen_ids import FrozenIds
from app.index.faiss.pq_codes import CodesHead, PQCodes, read_exactly, write_copies
from app.index.faiss.row_blocks import IN_MEMORY, RowBlocks, Storage
from app.index.faiss.slot_map import SlotMap
from app.vectors import Ids, Matrix, Neighbor, Vector

_ROWS_PER_CANDIDATE = 16  # with fewer, comparing all rows is faster
_DELETED_CODES, _DELETED_SHARE = 20_000, 0.25  # both exceeded: rebuild
_GROWTH = 4  # times the rows at training: rebuild
_LEAST_ROWS = 1_024  # fewer rows have no codes
_BULK = 10_000  # rows in one call from which on the caller waits for the codes
_SPARE = 1.25  # growth of the array of ids, whose copying delays requests
_EMPTY = -1  # id of an empty slot
_NO_CODES = CodesHead(0, 0, 0)


class QuantizedRows:
    """Rows with ids in reusable slots, with codes that select the candidates of a search."""

    def __init__(self, dimension: int, storage: Storage = IN_MEMORY) -> None:
        self._dimension = dimension
        self._rows = RowBlocks(dimension, storage)
        self._ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # by slot, with spare room
        self._slots = SlotMap()
        self._free: list[int] = []
        self._codes: PQCodes | None = None
        self._rebuild: CodeRebuild | None = None
        self._frozen: weakref.ref[FrozenIds] | None = None  # until its snapshot is written

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; `ids` are distinct."""
        self._install_rebuilt(wait=False)
        self._free_slots_of(ids)
        slots, reused = self._allocate_slots(len(ids))
        self._rows.put(slots[:reused], vectors[:reused])
        self._rows.append(vectors[reused:])
        self._set_ids(slots, ids)
        self._slots.put(ids, slots)
        if self._codes is not None:
            self._codes.add(slots, vectors)
        self._record_change(slots)
        self._rebuild_if_degraded(wait=len(ids) >= _BULK)

    def delete(self, ids: Ids) -> None:
        """Delete rows by id; unknown ids are ignored."""
        self._install_rebuilt(wait=False)
        self._free_slots_of(ids)
        self._rebuild_if_degraded(wait=False)

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Approximate nearest rows (recall in ADR 8); their similarities are exact."""
        wanted = min(k, self.size())
        if wanted < 1:
            return [[] for _ in probes]
        count = self._codes.candidates_for(wanted) if self._codes is not None else 0
        if self._codes is None or count * _ROWS_PER_CANDIDATE > len(self._rows):
            return [self._exact(probe, wanted) for probe in probes]
        found = self._codes.candidates(probes, count)
        return [
            self._best(slots, self._rows.take(slots) @ probe, wanted)
            if len(slots) >= min(wanted * 2, self.size())
            else self._exact(probe, wanted)  # too many candidates were deleted rows
            for probe, slots in zip(probes, found, strict=True)
        ]

    def size(self) -> int:
        """Number of rows."""
        return len(self._slots)

    def ids(self) -> Ids:
        """All ids, in no particular order."""
        used: Ids = self._ids[: len(self._rows)]
        return np.compress(used != _EMPTY, used)

    @property
    def rebuilding(self) -> bool:
        """Whether new codes are being computed, or wait for the next change of rows."""
        return self._rebuild is not None

    def wait_for_rebuild(self) -> None:
        """Wait for a running rebuild of the codes and install them."""
        self._install_rebuilt(wait=True)

    def close(self) -> None:
        """Cancel a running rebuild."""
        if self._rebuild is not None:
            self._rebuild.cancel()
            self._rebuild = None

    def freeze(self) -> Callable[[Writable], None]:
        """A function that writes ids and codes as they are now, and the rows as they are then.

        It may be called in another thread, while rows are changed: the caller applies all later
        changes again to what is read. Codes of rows that change meanwhile may be marked as deleted.
        Empty slots are zeros. One such function at a time may be in use.
        """
        count, rows = len(self._rows), self._rows
        ids = FrozenIds(self._ids[:count])
        self._frozen = weakref.ref(ids)
        codes, write_codes = self._codes.freeze() if self._codes is not None else (_NO_CODES, None)
        head = np.array([count, rows.dtype.itemsize, *codes], dtype=np.int64)

        def write(stream: Writable) -> None:
            rows.settle()
            stream.write(head.data)
            for part in ids.chunks():
                stream.write(part.data)
            if write_codes is not None:
                write_codes(stream)
            for block in rows.blocks(count):
                write_copies(stream, block)

        return write

    def read(self, stream: Readable) -> None:
        """Read what a function of `freeze` wrote.

        Raises ValueError for a truncated stream, and for rows in another precision.
        """
        integers = np.dtype(np.int64)
        head = np.frombuffer(read_exactly(stream, 5 * integers.itemsize), integers)
        count, precision = (int(number) for number in head[:2])
        codes = CodesHead(*(int(number) for number in head[2:]))
        if precision != self._rows.dtype.itemsize:
            raise ValueError(f"vectors have {8 * precision} bits per dimension")
        self._ids = _grown(
            np.frombuffer(read_exactly(stream, count * integers.itemsize), integers), count
        )
        if codes.codes:
            self._codes = PQCodes.read(stream, codes)
        while len(self._rows) < count:
            rows = min(_BULK, count - len(self._rows))
            flat = read_exactly(stream, rows * self._dimension * precision)
            vectors = np.frombuffer(flat, self._rows.dtype).reshape(rows, self._dimension)
            self._rows.append(vectors)
        ids = self._ids[:count]
        occupied = np.flatnonzero(ids != _EMPTY)
        self._slots.put(ids[occupied], occupied)
        self._free = np.flatnonzero(ids == _EMPTY).tolist()

    def _allocate_slots(self, count: int) -> tuple[Ids, int]:
        """`count` slots and how many of them are reused; the others follow the last row."""
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        needed = len(self._rows) + count - len(reused)
        slots = np.array([*reused, *range(len(self._rows), needed)], dtype=np.int64)
        if needed > len(self._ids):
            self._ids = _grown(self._ids, needed)
        return slots, len(reused)

    def _free_slots_of(self, ids: Ids) -> None:
        slots = self._slots.pop(ids)
        self._set_ids(slots, _EMPTY)
        self._rows.purge(slots)
        if self._codes is not None:
            self._codes.mark_deleted(slots)
        self._free.extend(slots.tolist())
        self._record_change(slots)

    def _set_ids(self, slots: Ids, ids: Ids | int) -> None:
        frozen = self._frozen() if self._frozen is not None else None
        if frozen is not None:
            frozen.before_change(slots)
        self._ids[slots] = ids

    def _occupied(self, slots: Ids) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self._ids[slots] != _EMPTY
        return found

    def _record_change(self, slots: Ids) -> None:
        if self._rebuild is not None:
            self._rebuild.record_change(slots)

    def _rebuild_if_degraded(self, wait: bool) -> None:
        """Rebuild the codes if many are deleted or the index has outgrown its quantizer."""
        codes, size = self._codes, self.size()
        if codes is not None:
            deleted = len(codes) - size
            too_many = deleted > _DELETED_CODES and deleted > _DELETED_SHARE * len(codes)
            if not too_many and size <= _GROWTH * codes.trained_rows:
                return
        if size < _LEAST_ROWS or (self._rebuild is not None and not wait):
            return
        self.close()
        used = self._ids[: len(self._rows)]
        rebuild = CodeRebuild(
            self._rows,
            lambda: np.flatnonzero(used != _EMPTY),  # changes of `used` meanwhile are recorded
            self._occupied,
            background=not wait,
        )
        self._rebuild = rebuild
        if wait:
            self._install(rebuild.result(wait=True))

    def _install_rebuilt(self, wait: bool) -> None:
        """Install the codes of a finished rebuild."""
        if self._rebuild is not None:
            self._install(self._rebuild.result(wait))
        if self._rebuild is not None and self._rebuild.failed:
            self._rebuild = None  # the next change starts another one

    def _install(self, codes: PQCodes | None) -> None:
        if codes is not None:
            self._codes, self._rebuild = codes, None

    def _exact(self, probe: Vector, wanted: int) -> list[Neighbor]:
        dots = self._rows.dots(probe)
        dots[self._ids[: len(dots)] == _EMPTY] = -np.inf
        return self._best(np.arange(len(dots)), dots, wanted)

    def _best(self, slots: Ids, dots: NDArray[np.float32], wanted: int) -> list[Neighbor]:
        """The best rows by falling similarity, then by rising id."""
        if wanted < len(dots):
            least = np.partition(dots, len(dots) - wanted)[len(dots) - wanted]
            kept = dots >= least  # keeps all ties with the last one until they are sorted by id
            slots, dots = slots[kept], dots[kept]
        ids = self._ids[slots]
        order = np.lexsort((ids, -dots))[:wanted]
        # rounding, of half precision in particular, must not exceed the cosine of equal vectors
        return [Neighbor(int(ids[row]), min(float(dots[row]), 1.0)) for row in order]


def _grown(ids: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """A copy of `ids` with room for `length` elements, at least, and some more, all undefined."""
    grown = np.empty(int(_SPARE * length), dtype=np.int64)
    grown[: len(ids)] = ids
    return grown
