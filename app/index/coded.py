"""Many vectors: product-quantised codes choose candidates, the exact vectors decide among them.

The codes are compared with SIMD shuffles (Andre et al. 2015, in FAISS `IndexPQFastScan`), 4 bits
each. A code cannot be taken out: a removed row is overwritten and stays as a tombstone, which no
search returns, until there are so many of them that the codes are written anew.
"""

from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from app.index.rows import RowBlocks
from app.index.snapshot import Sink, Source
from app.vectors import Ids, Matrix, Neighbor, Vector

Number = TypeVar("Number", bound=np.generic)

_TRAINED_ON = 20_000  # rows that the quantiser learns from
_LEAST_CANDIDATES, _CANDIDATES = 256, 80  # re-ranked exactly: so many, and so many times k
_WORTH_IT = 16  # below so many rows a candidate all rows are compared exactly
_DEAD_SHARE = 0.25
_OUTGROWN = 4  # times the size at training
_TOO_FEW = 1_024  # rows; fewer are compared exactly, whatever is asked
_DIMENSIONS_A_CODE = ((512, 8), (256, 4), (0, 2))  # from so many dimensions on


class CodedRows:
    """Rows with their ids, found by codes and re-ranked by exact dot products."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._rows = RowBlocks(dimension)
        self._ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # by row; grows by doubling
        self._alive: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)
        self._place: dict[int, int] = {}
        self._codes: faiss.Index | None = None
        self._trained_at = 0

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; ids occur once."""
        self.remove(ids)
        first = len(self._rows)
        self._reserve(first + len(ids))
        self._rows.append(vectors)
        self._ids[first : first + len(ids)] = ids
        self._alive[first : first + len(ids)] = True
        self._place.update(zip(ids.tolist(), range(first, first + len(ids)), strict=True))
        if self._codes is not None and len(self._rows) <= _OUTGROWN * self._trained_at:
            self._codes.add(vectors)
        else:
            self._encode()

    def remove(self, ids: Ids) -> None:
        """Forget rows by id; unknown ids are ignored."""
        found = [place for one in ids.tolist() if (place := self._place.pop(one, -1)) >= 0]
        places = np.array(found, dtype=np.int64)
        self._alive[places] = False
        self._rows.erase(places)
        dead = len(self._rows) - len(self._place)
        if dead > _TRAINED_ON and dead > _DEAD_SHARE * len(self._rows):
            self._compact()

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Almost always the exact answer; similarities are exact in any case."""
        wanted = min(k, self.size())
        if wanted < 1:
            return [[] for _ in probes]
        candidates = max(_LEAST_CANDIDATES, _CANDIDATES * wanted)
        if self._codes is None or candidates * _WORTH_IT > len(self._rows):
            return [self._exact(probe, wanted) for probe in probes]
        _, found = self._codes.search(probes, candidates)
        return [self._ranked(probe, row, wanted) for probe, row in zip(probes, found, strict=True)]

    def size(self) -> int:
        """Living rows."""
        return len(self._place)

    def write(self, stream: Sink) -> None:
        """Codes, ids and rows; of the dead ones, too."""
        count = len(self._rows)
        codes = faiss.serialize_index(self._codes) if self._codes else np.empty(0, dtype=np.uint8)
        head = np.array([count, len(codes), self._trained_at], dtype=np.int64)
        for part in (head, self._ids[:count], self._alive[:count], codes, *self._rows.blocks()):
            stream.write(np.ascontiguousarray(part).data)

    def read(self, stream: Source) -> None:
        """What `write` wrote. Raises ValueError where it ends too early."""
        count, size, self._trained_at = (int(n) for n in _read(stream, np.dtype(np.int64), 3))
        self._ids = _read(stream, np.dtype(np.int64), count)
        self._alive = _read(stream, np.dtype(np.bool_), count)
        codes = _read(stream, np.dtype(np.uint8), size)
        self._codes = faiss.deserialize_index(codes) if size else None
        while len(self._rows) < count:
            some = min(_TRAINED_ON, count - len(self._rows))
            flat = _read(stream, np.dtype(np.float32), some * self._dimension)
            self._rows.append(flat.reshape(some, self._dimension))
        living = np.flatnonzero(self._alive)
        self._place = dict(zip(self._ids[living].tolist(), living.tolist(), strict=True))

    def _exact(self, probe: Vector, wanted: int) -> list[Neighbor]:
        dots = self._rows.dots(probe)
        dots[~self._alive[: len(dots)]] = -np.inf
        return self._best(np.arange(len(dots)), dots, wanted)

    def _ranked(self, probe: Vector, candidates: Ids, wanted: int) -> list[Neighbor]:
        living = candidates[(candidates >= 0)]
        living = living[self._alive[living]]
        if len(living) < min(wanted * 2, self.size()):
            return self._exact(probe, wanted)  # tombstones took the places
        return self._best(living, self._rows.take(living) @ probe, wanted)

    def _best(self, places: Ids, dots: NDArray[np.float32], wanted: int) -> list[Neighbor]:
        """The best rows, by falling similarity, then by rising id."""
        if wanted < len(dots):
            least = np.partition(dots, len(dots) - wanted)[len(dots) - wanted]
            kept = dots >= least  # ties at the end are all kept until they are sorted
            places, dots = places[kept], dots[kept]
        ids = self._ids[places]
        order = np.lexsort((ids, -dots))[:wanted]
        return [Neighbor(int(ids[row]), float(dots[row])) for row in order]

    def _reserve(self, count: int) -> None:
        if count > len(self._ids):
            more = max(count, 2 * len(self._ids)) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.zeros(more, dtype=np.int64)])
            self._alive = np.concatenate([self._alive, np.zeros(more, dtype=np.bool_)])

    def _encode(self) -> None:
        """Learn a quantiser from the rows as they are now, and write all codes with it."""
        self._codes, count = None, len(self._rows)
        if count < _TOO_FEW:
            return
        sample = np.random.default_rng(0).permutation(count)[:_TRAINED_ON]
        codes = faiss.IndexPQFastScan(
            self._dimension, _code_count(self._dimension), 4, faiss.METRIC_INNER_PRODUCT
        )
        codes.train(self._rows.take(np.sort(sample)))
        for block in self._rows.blocks():
            codes.add(block)
        self._codes, self._trained_at = codes, count

    def _compact(self) -> None:
        """Write rows and codes anew without the dead."""
        fresh = RowBlocks(self._dimension)
        start = 0
        for block in self._rows.blocks():
            fresh.append(block[self._alive[start : start + len(block)]])
            start += len(block)
        ids = self._ids[:start][self._alive[:start]]
        self._rows, self._ids = fresh, ids
        self._alive = np.ones(len(ids), dtype=np.bool_)
        self._place = dict(zip(ids.tolist(), range(len(ids)), strict=True))
        self._encode()


def _code_count(dimension: int) -> int:
    """Codes of a vector: one for two, four or eight dimensions (ADR 8 has the measurements)."""
    wanted = next(each for least, each in _DIMENSIONS_A_CODE if dimension >= least)
    while dimension % wanted:
        wanted //= 2
    return dimension // wanted


def _read(stream: Source, dtype: np.dtype[Number], count: int) -> NDArray[Number]:
    raw = stream.read(count * dtype.itemsize)
    if len(raw) != count * dtype.itemsize:
        raise ValueError("it ends too early")
    return np.frombuffer(bytearray(raw), dtype)
