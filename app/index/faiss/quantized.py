"""Many vectors: codes choose candidates, the exact vectors decide among them (ADR 8).

Deleted rows are overwritten at once and their places used again; only codes of theirs are left,
which lead nowhere, until there are so many of them that all codes are written anew beside the old.
"""

from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from app.crypto.stream import Readable, Writable
from app.index.faiss.pq_codes import NOWHERE, CodeRebuild, Codes
from app.index.faiss.row_blocks import Allocate, RowBlocks, in_memory
from app.vectors import Ids, Matrix, Neighbor, Vector

Number = TypeVar("Number", bound=np.generic)

_WORTH_IT = 16  # below so many rows a candidate all rows are compared exactly
_MOST_DEAD, _DEAD_SHARE = 20_000, 0.25  # codes that lead nowhere
_OUTGROWN = 4  # times the size at training
_TOO_FEW = 1_024  # rows; fewer are compared exactly, whatever is asked
_BULK = 10_000  # rows that come at once; then nobody is served faster by codes written later
_NOBODY = -1  # the id at a free place


class QuantizedRows:
    """Rows with their ids, found by codes and re-ranked by exact dot products."""

    def __init__(self, dimension: int, allocate: Allocate = in_memory) -> None:
        self._dimension = dimension
        self._rows = RowBlocks(dimension, allocate)
        self._ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # by place; grows by doubling
        self._positions: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # of codes, by place
        self._place: dict[int, int] = {}
        self._free: list[int] = []
        self._codes: Codes | None = None
        self._rewriting: CodeRebuild | None = None

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; ids occur once."""
        self._adopt(wait=False)
        self._forget(ids)
        places, used = self._room(len(ids))
        self._rows.put(places[:used], vectors[:used])
        self._rows.append(vectors[used:])
        self._ids[places] = ids
        self._place.update(zip(ids.tolist(), places.tolist(), strict=True))
        if self._codes is not None:
            first = self._codes.index.ntotal
            self._positions[places] = np.arange(first, first + len(places))
            self._codes.add(places, vectors)
        self._tell(places)
        self._renew(at_once=len(ids) >= _BULK)

    def delete(self, ids: Ids) -> None:
        """Forget rows by id; unknown ids are ignored."""
        self._adopt(wait=False)
        self._forget(ids)
        self._renew(at_once=False)

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Almost always the exact answer; similarities are exact in any case."""
        wanted = min(k, self.size())
        if wanted < 1:
            return [[] for _ in probes]
        candidates = self._codes.candidates_for(wanted) if self._codes is not None else 0
        if self._codes is None or candidates * _WORTH_IT > len(self._rows):
            return [self._exact(probe, wanted) for probe in probes]
        found = self._codes.candidates(probes, candidates)
        return [
            self._best(places, self._rows.take(places) @ probe, wanted)
            if len(places) >= min(wanted * 2, self.size())
            else self._exact(probe, wanted)  # the dead took the places
            for probe, places in zip(probes, found, strict=True)
        ]

    def size(self) -> int:
        """Rows held."""
        return len(self._place)

    def ids(self) -> Ids:
        """Their ids, in no order."""
        return np.array(list(self._place), dtype=np.int64)

    def settle(self) -> None:
        """Wait for codes that are being written, and use them."""
        self._adopt(wait=True)

    def close(self) -> None:
        """End what runs beside; the rows are not used afterwards."""
        if self._rewriting is not None:
            self._rewriting.cancel()
            self._rewriting = None

    def write(self, stream: Writable) -> None:
        """Ids, codes and rows; free places are zeros."""
        count, codes = len(self._rows), self._codes
        index = faiss.serialize_index(codes.index) if codes else np.empty(0, dtype=np.uint8)
        places = codes.places[: codes.index.ntotal] if codes else self._ids[:0]
        head = np.array([count, len(index), len(places), codes.trained_at if codes else 0])
        for part in (head, self._ids[:count], index, places, *self._rows.blocks()):
            stream.write(np.ascontiguousarray(part).data)

    def read(self, stream: Readable) -> None:
        """What `write` wrote. Raises ValueError where it ends too early."""
        integers = np.dtype(np.int64)
        count, size, coded, trained_at = (int(number) for number in _read(stream, integers, 4))
        self._ids = _read(stream, integers, count)
        index = _read(stream, np.dtype(np.uint8), size)
        places = _read(stream, integers, coded)
        while len(self._rows) < count:
            some = min(_BULK, count - len(self._rows))
            flat = _read(stream, np.dtype(np.float32), some * self._dimension)
            self._rows.append(flat.reshape(some, self._dimension))
        held = np.flatnonzero(self._ids != _NOBODY)
        self._place = dict(zip(self._ids[held].tolist(), held.tolist(), strict=True))
        self._free = np.flatnonzero(self._ids == _NOBODY).tolist()
        self._positions = np.zeros(count, dtype=np.int64)
        if size:
            self._use(Codes(faiss.deserialize_index(index), places, trained_at))

    def _room(self, count: int) -> tuple[Ids, int]:
        """So many places, and how many of them were free ones; the others are behind the rows."""
        used = [self._free.pop() for _ in range(min(count, len(self._free)))]
        needed = len(self._rows) + count - len(used)
        places = np.array([*used, *range(len(self._rows), needed)], dtype=np.int64)
        if needed > len(self._ids):
            more = max(needed, 2 * len(self._ids)) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.full(more, _NOBODY)])
            self._positions = np.concatenate([self._positions, np.zeros(more, dtype=np.int64)])
        return places, len(used)

    def _forget(self, ids: Ids) -> None:
        found = [place for one in ids.tolist() if (place := self._place.pop(one, -1)) >= 0]
        places = np.array(found, dtype=np.int64)
        self._ids[places] = _NOBODY
        self._rows.erase(places)
        if self._codes is not None:
            self._codes.places[self._positions[places]] = NOWHERE
        self._free.extend(found)
        self._tell(places)

    def _tell(self, places: Ids) -> None:
        if self._rewriting is not None:
            self._rewriting.changed(places)

    def _renew(self, at_once: bool) -> None:
        """Write the codes anew where they have become poor."""
        codes, size = self._codes, self.size()
        if codes is not None:
            dead = codes.index.ntotal - size
            full_of_dead = dead > _MOST_DEAD and dead > _DEAD_SHARE * codes.index.ntotal
            if not full_of_dead and size <= _OUTGROWN * codes.trained_at:
                return
        if size < _TOO_FEW or (self._rewriting is not None and not at_once):
            return
        self.close()
        held = np.flatnonzero(self._ids[: len(self._rows)] != _NOBODY)
        rewriting = self._rewriting = CodeRebuild(self._rows, held, gently=not at_once)
        if at_once:
            self._use(rewriting.outcome(self._ids != _NOBODY, wait=True))

    def _adopt(self, wait: bool) -> None:
        """Use the new codes, if they are ready."""
        if self._rewriting is not None:
            self._use(self._rewriting.outcome(self._ids != _NOBODY, wait))
        if self._rewriting is not None and self._rewriting.failed:
            self._rewriting = None  # the next change tries again

    def _use(self, codes: Codes | None) -> None:
        if codes is None:
            return
        self._codes, self._rewriting = codes, None
        count = codes.index.ntotal
        positions = np.flatnonzero(codes.places[:count] != NOWHERE)
        self._positions[codes.places[positions]] = positions

    def _exact(self, probe: Vector, wanted: int) -> list[Neighbor]:
        dots = self._rows.dots(probe)
        dots[self._ids[: len(dots)] == _NOBODY] = -np.inf
        return self._best(np.arange(len(dots)), dots, wanted)

    def _best(self, places: Ids, dots: NDArray[np.float32], wanted: int) -> list[Neighbor]:
        """The best rows, by falling similarity, then by rising id."""
        if wanted < len(dots):
            least = np.partition(dots, len(dots) - wanted)[len(dots) - wanted]
            kept = dots >= least  # ties at the end are all kept until they are sorted
            places, dots = places[kept], dots[kept]
        ids = self._ids[places]
        order = np.lexsort((ids, -dots))[:wanted]
        return [Neighbor(int(ids[row]), float(dots[row])) for row in order]


def _read(stream: Readable, dtype: np.dtype[Number], count: int) -> NDArray[Number]:
    raw = stream.read(count * dtype.itemsize)
    if len(raw) != count * dtype.itemsize:
        raise ValueError("it ends too early")
    return np.frombuffer(bytearray(raw), dtype)
