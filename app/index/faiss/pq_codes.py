"""Product-quantization codes, which select the candidates of a search.

Codes have 4 bits per sub-quantizer and are compared with SIMD shuffles (Andre et al. 2015, FAISS's
`IndexPQFastScan`). FAISS cannot delete or change a code there, so a code is marked as deleted
until all codes are rebuilt. A rebuild runs in a thread; the next writer installs the new codes, and
the old codes answer until then.
"""

import threading
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from app.index.faiss.row_blocks import RowBlocks
from app.vectors import Ids, Matrix

_TRAINING_ROWS = 20_000
_BLOCK = 20_000  # rows encoded between two checks for cancellation
# (least dimension, dimensions per sub-quantizer), measured in ADR 8
_DIMENSIONS_PER_CODE = ((512, 8), (256, 4), (65, 2), (0, 1))
# Candidates (at least, per neighbor asked for) with one dimension per code, and with more
_FINE, _COARSE = (192, 16), (256, 80)
DELETED = -1
"""Slot of a code whose row was deleted or changed."""


@dataclass(slots=True)
class PQCodes:
    """Codes by position in `index`. `slots` has the row slot of each position, or DELETED;
    `trained_rows` is the number of rows when the quantizer was trained."""

    index: faiss.Index
    slots: NDArray[np.int64]
    trained_rows: int

    @property
    def fine(self) -> bool:
        """Whether every dimension has a separate sub-quantizer."""
        assert isinstance(self.index, faiss.IndexPQFastScan)
        return int(self.index.pq.M) == int(self.index.d)

    def add(self, slots: Ids, vectors: Matrix) -> None:
        """Encode rows and append their codes."""
        first = self.index.ntotal
        self.index.add(vectors)
        if first + len(slots) > len(self.slots):
            more = max(first + len(slots), 2 * len(self.slots)) - len(self.slots)
            self.slots = np.concatenate([self.slots, np.full(more, DELETED)])
        self.slots[first : first + len(slots)] = slots

    def candidates_for(self, k: int) -> int:
        """Number of candidates that almost always contain the `k` nearest rows (ADR 8)."""
        least, per_neighbor = _FINE if self.fine else _COARSE
        return max(least, per_neighbor * k)

    def candidates(self, probes: Matrix, count: int) -> list[Ids]:
        """For each probe the slots of the nearest rows by code.

        Fewer than `count` slots if some of the codes belong to deleted rows.
        """
        _, positions = self.index.search(probes, count)
        found = [self.slots[row[row >= 0]] for row in positions]
        return [slots[slots != DELETED] for slots in found]


def encode_rows(rows: RowBlocks, slots: Ids, cancelled: threading.Event) -> PQCodes | None:
    """Train a quantizer on rows in `slots` and encode all of them; None if cancelled."""
    dimension = rows.take(slots[:1]).shape[1]
    index = faiss.IndexPQFastScan(dimension, _code_count(dimension), 4, faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(0).permutation(len(slots))[:_TRAINING_ROWS]
    index.train(rows.take(slots[np.sort(sample)]))
    codes = PQCodes(index, np.empty(0, dtype=np.int64), len(slots))
    for start in range(0, len(slots), _BLOCK):
        if cancelled.is_set():
            return None
        block = slots[start : start + _BLOCK]
        codes.add(block, rows.take(block))
    return codes


class CodeRebuild:
    """Trains and encodes in a thread; rows changed meanwhile are encoded again in `result`.

    With `background` the thread uses one core, so that the others remain for requests.
    """

    def __init__(self, rows: RowBlocks, slots: Ids, background: bool) -> None:
        self._rows, self._cancelled, self._background = rows, threading.Event(), background
        self._changed: list[Ids] = []
        self._codes: PQCodes | None = None
        self._thread = threading.Thread(target=self._run, args=(slots,), daemon=True)
        self._thread.start()

    def record_change(self, slots: Ids) -> None:
        """Rows in `slots` were added, replaced or deleted."""
        self._changed.append(slots)

    def result(self, occupied: NDArray[np.bool_], wait: bool) -> PQCodes | None:
        """The new codes with all recorded changes; None if the thread has not finished or failed.

        With `wait` the thread is joined first. `occupied` has for every slot whether it has a row.
        """
        if wait:
            self._thread.join()
        if self._thread.is_alive() or self._codes is None:
            return None
        codes = self._codes
        if self._changed:
            slots = np.unique(np.concatenate(self._changed))
            codes.slots[np.isin(codes.slots, slots)] = DELETED
            current = slots[occupied[slots]]
            if len(current):
                codes.add(current, self._rows.take(current))
        return codes

    @property
    def failed(self) -> bool:
        """Whether the thread ended without codes."""
        return not self._thread.is_alive() and self._codes is None

    def cancel(self) -> None:
        """Stop the thread and wait for its end."""
        self._cancelled.set()
        self._thread.join()

    def _run(self, slots: Ids) -> None:
        if self._background:
            faiss.omp_set_num_threads(1)
        self._codes = encode_rows(self._rows, slots, self._cancelled)


def _code_count(dimension: int) -> int:
    """Sub-quantizers of a vector: one per 1, 2, 4 or 8 dimensions."""
    size = next(per_code for least, per_code in _DIMENSIONS_PER_CODE if dimension >= least)
    while dimension % size:
        size //= 2
    return dimension // size
