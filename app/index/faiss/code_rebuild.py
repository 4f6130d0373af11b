"""Rebuilds the codes of an index in a thread, while the old codes answer."""

import queue
import threading
from collections.abc import Callable

import faiss
import numpy as np
from numpy.typing import NDArray

from app.index.faiss.pq_codes import PQCodes
from app.index.faiss.row_blocks import RowBlocks
from app.vectors import Ids

_TRAINING_ROWS = 20_000
_BLOCK = 20_000  # rows encoded between two checks for cancellation
_LEAST_ROWS = 16  # as many as a 4-bit code has values
_FEW = 1_000  # changed rows that a writer may wait for


class CodeRebuild:
    """Trains a quantizer on the rows and encodes them, in a thread.

    Rows that are changed meanwhile are encoded again: most of them in the thread, the last ones in
    `result`. `all_occupied()` returns the slots that have a row, `occupied(slots)` is a mask of
    those among `slots`; both are called in the thread. With `background` the thread
    uses one core, so that the others remain for requests.
    """

    def __init__(
        self,
        rows: RowBlocks,
        all_occupied: Callable[[], Ids],
        occupied: Callable[[Ids], NDArray[np.bool_]],
        background: bool,
    ) -> None:
        self._rows, self._occupied, self._background = rows, occupied, background
        self._cancelled = threading.Event()
        self._changed: queue.SimpleQueue[Ids] = queue.SimpleQueue()
        self._codes: PQCodes | None = None
        self._thread = threading.Thread(target=self._run, args=(all_occupied,), daemon=True)
        self._thread.start()

    def record_change(self, slots: Ids) -> None:
        """Rows in `slots` were added, replaced or deleted; call it after the change."""
        self._changed.put(slots)

    def result(self, wait: bool) -> PQCodes | None:
        """The new codes with all recorded changes; None if the thread has not finished or failed.

        With `wait` the thread is joined first.
        """
        if wait:
            self._thread.join()
        if self._thread.is_alive() or self._codes is None:
            return None
        self._encode_changed(self._codes)
        return self._codes

    @property
    def failed(self) -> bool:
        """Whether the thread ended without codes."""
        return not self._thread.is_alive() and self._codes is None

    def cancel(self) -> None:
        """Stop the thread and wait for its end."""
        self._cancelled.set()
        self._thread.join()

    def _run(self, all_occupied: Callable[[], Ids]) -> None:
        if self._background:
            faiss.omp_set_num_threads(1)
        slots = all_occupied()
        if len(slots) < _LEAST_ROWS:  # nearly all were deleted before the thread began
            return
        sample = np.random.default_rng(0).permutation(len(slots))[:_TRAINING_ROWS]
        codes = PQCodes.train(self._rows.take(slots[np.sort(sample)]), len(slots))
        for start in range(0, len(slots), _BLOCK):
            if self._cancelled.is_set():
                return
            block = slots[start : start + _BLOCK]
            codes.add(block, self._rows.take(block))
        while self._encode_changed(codes) > _FEW:
            if self._cancelled.is_set():
                return
        self._codes = codes

    def _encode_changed(self, codes: PQCodes) -> int:
        """Encode the changed rows that were recorded so far, and return their number.

        A row that is changed at the same time is recorded afterwards, and encoded once more.
        """
        recorded = [self._changed.get() for _ in range(self._changed.qsize())]
        if not recorded:
            return 0
        slots = np.unique(np.concatenate(recorded))
        codes.mark_deleted(slots)
        current = slots[self._occupied(slots)]
        for start in range(0, len(current), _BLOCK):
            block = current[start : start + _BLOCK]
            codes.add(block, self._rows.take(block))
        return len(slots)
