"""Product-quantised codes of rows, which say where the nearest are likely to be.

Codes are compared with SIMD shuffles (Andre et al. 2015, FAISS's `IndexPQFastScan`), 4 bits each.
A code can't be taken out or changed: its position is cut off from the row, until the codes are
written anew. That happens on a thread of its own, and the new codes are taken over when a writer
comes by; until then the old ones answer.
"""

import threading
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from app.index.faiss.row_blocks import RowBlocks
from app.vectors import Ids, Matrix

_TRAINED_ON = 20_000  # rows that the quantiser learns from
_BLOCK = 20_000  # rows between two looks at whether the work is still wanted
_DIMENSIONS_A_CODE = ((512, 8), (256, 4), (65, 2), (0, 1))  # from so many dimensions on
_FINE, _COARSE = (192, 16), (256, 80)  # candidates: at least so many, and so many times k
NOWHERE = -1


@dataclass(slots=True)
class Codes:
    """`places` has the row of each position, NOWHERE where that row is gone."""

    index: faiss.Index
    places: NDArray[np.int64]
    trained_at: int

    @property
    def fine(self) -> bool:
        """Whether each dimension has a code of its own."""
        assert isinstance(self.index, faiss.IndexPQFastScan)
        return int(self.index.pq.M) == int(self.index.d)

    def add(self, places: Ids, vectors: Matrix) -> None:
        """Codes of rows, at the next positions."""
        first = self.index.ntotal
        self.index.add(vectors)
        if first + len(places) > len(self.places):
            more = max(first + len(places), 2 * len(self.places)) - len(self.places)
            self.places = np.concatenate([self.places, np.full(more, NOWHERE)])
        self.places[first : first + len(places)] = places

    def candidates_for(self, k: int) -> int:
        """How many candidates nearly always hold the k nearest."""
        least, times = _FINE if self.fine else _COARSE
        return max(least, times * k)

    def candidates(self, probes: Matrix, count: int) -> list[Ids]:
        """For each probe the places of rows near it; fewer than `count` where some are gone."""
        _, positions = self.index.search(probes, count)
        found = [self.places[row[row >= 0]] for row in positions]
        return [places[places != NOWHERE] for places in found]


def write_codes(rows: RowBlocks, places: Ids, stop: threading.Event) -> Codes | None:
    """Learn a quantiser from the rows at `places` and write all their codes; None if stopped."""
    dimension = rows.take(places[:1]).shape[1]
    index = faiss.IndexPQFastScan(dimension, _code_count(dimension), 4, faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(0).permutation(len(places))[:_TRAINED_ON]
    index.train(rows.take(places[np.sort(sample)]))
    codes = Codes(index, np.empty(0, dtype=np.int64), len(places))
    for start in range(0, len(places), _BLOCK):
        if stop.is_set():
            return None
        some = places[start : start + _BLOCK]
        codes.add(some, rows.take(some))
    return codes


class CodeRebuild:
    """New codes in the making. What changes meanwhile is told to it, and put right at the end.

    With `gently` it leaves all cores but one to those who answer requests.
    """

    def __init__(self, rows: RowBlocks, places: Ids, gently: bool) -> None:
        self._rows, self._stop, self._gently = rows, threading.Event(), gently
        self._changed: list[Ids] = []
        self._codes: Codes | None = None
        self._thread = threading.Thread(target=self._run, args=(places,), daemon=True)
        self._thread.start()

    def changed(self, places: Ids) -> None:
        """These rows are new, other rows than before, or gone."""
        self._changed.append(places)

    def outcome(self, living: NDArray[np.bool_], wait: bool) -> Codes | None:
        """The new codes, level with the rows; None while they are not ready, unless waited for.

        `living` says of every place whether there is a row now.
        """
        if wait:
            self._thread.join()
        if self._thread.is_alive() or self._codes is None:
            return None
        codes = self._codes
        if self._changed:
            places = np.unique(np.concatenate(self._changed))
            codes.places[np.isin(codes.places, places)] = NOWHERE
            again = places[living[places]]
            if len(again):
                codes.add(again, self._rows.take(again))
        return codes

    @property
    def failed(self) -> bool:
        """Whether it ended without codes."""
        return not self._thread.is_alive() and self._codes is None

    def cancel(self) -> None:
        """Forget it; returns when the thread has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self, places: Ids) -> None:
        if self._gently:
            faiss.omp_set_num_threads(1)
        self._codes = write_codes(self._rows, places, self._stop)


def _code_count(dimension: int) -> int:
    """Codes of a vector: one for two, four or eight dimensions (ADR 8 has the measurements)."""
    wanted = next(each for least, each in _DIMENSIONS_A_CODE if dimension >= least)
    while dimension % wanted:
        wanted //= 2
    return dimension // wanted
