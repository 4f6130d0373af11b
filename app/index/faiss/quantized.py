"""Rows searched by product-quantization codes and re-ranked by exact dot products (ADR 8).

Deleted rows are overwritten with zeros and their slots reused. Their codes remain, marked as
deleted, until there are so many of them that all codes are rebuilt.
"""

from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from app.crypto.stream import Readable, Writable
from app.index.faiss.pq_codes import DELETED, CodeRebuild, PQCodes
from app.index.faiss.row_blocks import Allocate, RowBlocks, in_memory
from app.vectors import Ids, Matrix, Neighbor, Vector

Number = TypeVar("Number", bound=np.generic)

_ROWS_PER_CANDIDATE = 16  # with fewer, comparing all rows is faster
_DELETED_CODES, _DELETED_SHARE = 20_000, 0.25  # both exceeded: rebuild
_GROWTH = 4  # times the rows at training: rebuild
_LEAST_ROWS = 1_024  # fewer rows have no codes
_BULK = 10_000  # rows in one call from which on the caller waits for the codes
_EMPTY = -1  # id of an empty slot


class QuantizedRows:
    """Rows with ids in reusable slots, with codes that select the candidates of a search."""

    def __init__(self, dimension: int, allocate: Allocate = in_memory) -> None:
        self._dimension = dimension
        self._rows = RowBlocks(dimension, allocate)
        self._ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # by slot; grows by doubling
        self._positions: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # of codes, by slot
        self._slots: dict[int, int] = {}  # by id
        self._free: list[int] = []
        self._codes: PQCodes | None = None
        self._rebuild: CodeRebuild | None = None

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; `ids` are distinct."""
        self._install_rebuilt(wait=False)
        self._free_slots_of(ids)
        slots, reused = self._allocate_slots(len(ids))
        self._rows.put(slots[:reused], vectors[:reused])
        self._rows.append(vectors[reused:])
        self._ids[slots] = ids
        self._slots.update(zip(ids.tolist(), slots.tolist(), strict=True))
        if self._codes is not None:
            first = self._codes.index.ntotal
            self._positions[slots] = np.arange(first, first + len(slots))
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
        return np.array(list(self._slots), dtype=np.int64)

    def wait_for_rebuild(self) -> None:
        """Wait for a running rebuild of the codes and install them."""
        self._install_rebuilt(wait=True)

    def close(self) -> None:
        """Cancel a running rebuild."""
        if self._rebuild is not None:
            self._rebuild.cancel()
            self._rebuild = None

    def write(self, stream: Writable) -> None:
        """Write ids, codes and rows; empty slots are zeros."""
        count, codes = len(self._rows), self._codes
        index = faiss.serialize_index(codes.index) if codes else np.empty(0, dtype=np.uint8)
        slots = codes.slots[: codes.index.ntotal] if codes else self._ids[:0]
        head = np.array([count, len(index), len(slots), codes.trained_rows if codes else 0])
        for part in (head, self._ids[:count], index, slots, *self._rows.blocks()):
            stream.write(np.ascontiguousarray(part).data)

    def read(self, stream: Readable) -> None:
        """Read what `write` wrote. Raises ValueError for a truncated stream."""
        integers = np.dtype(np.int64)
        count, size, coded, trained_rows = (int(number) for number in _read(stream, integers, 4))
        self._ids = _read(stream, integers, count)
        index = _read(stream, np.dtype(np.uint8), size)
        slots = _read(stream, integers, coded)
        while len(self._rows) < count:
            rows = min(_BULK, count - len(self._rows))
            flat = _read(stream, np.dtype(np.float32), rows * self._dimension)
            self._rows.append(flat.reshape(rows, self._dimension))
        occupied = np.flatnonzero(self._ids != _EMPTY)
        self._slots = dict(zip(self._ids[occupied].tolist(), occupied.tolist(), strict=True))
        self._free = np.flatnonzero(self._ids == _EMPTY).tolist()
        self._positions = np.zeros(count, dtype=np.int64)
        if size:
            self._install(PQCodes(faiss.deserialize_index(index), slots, trained_rows))

    def _allocate_slots(self, count: int) -> tuple[Ids, int]:
        """`count` slots and how many of them are reused; the others follow the last row."""
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        needed = len(self._rows) + count - len(reused)
        slots = np.array([*reused, *range(len(self._rows), needed)], dtype=np.int64)
        if needed > len(self._ids):
            more = max(needed, 2 * len(self._ids)) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.full(more, _EMPTY)])
            self._positions = np.concatenate([self._positions, np.zeros(more, dtype=np.int64)])
        return slots, len(reused)

    def _free_slots_of(self, ids: Ids) -> None:
        found = [slot for one in ids.tolist() if (slot := self._slots.pop(one, -1)) >= 0]
        slots = np.array(found, dtype=np.int64)
        self._ids[slots] = _EMPTY
        self._rows.purge(slots)
        if self._codes is not None:
            self._codes.slots[self._positions[slots]] = DELETED
        self._free.extend(found)
        self._record_change(slots)

    def _record_change(self, slots: Ids) -> None:
        if self._rebuild is not None:
            self._rebuild.record_change(slots)

    def _rebuild_if_degraded(self, wait: bool) -> None:
        """Rebuild the codes if many are deleted or the index has outgrown its quantizer."""
        codes, size = self._codes, self.size()
        if codes is not None:
            deleted = codes.index.ntotal - size
            too_many = deleted > _DELETED_CODES and deleted > _DELETED_SHARE * codes.index.ntotal
            if not too_many and size <= _GROWTH * codes.trained_rows:
                return
        if size < _LEAST_ROWS or (self._rebuild is not None and not wait):
            return
        self.close()
        occupied = np.flatnonzero(self._ids[: len(self._rows)] != _EMPTY)
        rebuild = self._rebuild = CodeRebuild(self._rows, occupied, background=not wait)
        if wait:
            self._install(rebuild.result(self._ids != _EMPTY, wait=True))

    def _install_rebuilt(self, wait: bool) -> None:
        """Install the codes of a finished rebuild."""
        if self._rebuild is not None:
            self._install(self._rebuild.result(self._ids != _EMPTY, wait))
        if self._rebuild is not None and self._rebuild.failed:
            self._rebuild = None  # the next change starts another one

    def _install(self, codes: PQCodes | None) -> None:
        if codes is None:
            return
        self._codes, self._rebuild = codes, None
        count = codes.index.ntotal
        positions = np.flatnonzero(codes.slots[:count] != DELETED)
        self._positions[codes.slots[positions]] = positions

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
        return [Neighbor(int(ids[row]), float(dots[row])) for row in order]


def _read(stream: Readable, dtype: np.dtype[Number], count: int) -> NDArray[Number]:
    raw = stream.read(count * dtype.itemsize)
    if len(raw) != count * dtype.itemsize:
        raise ValueError("truncated")
    return np.frombuffer(bytearray(raw), dtype)
