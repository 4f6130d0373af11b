"""Runs the requests of several threads as one batch of a session."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.inference.session import Pixels, Session, Tensor

Outputs = list[Tensor]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch has at most `largest` rows; its oldest row waits at most `wait` seconds for others.

    Raises ValueError if `largest` is below 1 or `wait` is negative.
    """

    largest: int = 32
    wait: float = 0.005

    def __post_init__(self) -> None:
        if self.largest < 1 or self.wait < 0.0:
            raise ValueError("largest must be at least 1 and wait at least 0")


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """At most one batch of rows of one request."""

    rows: Tensor | Pixels
    due: float
    outputs: Future[Outputs] = field(default_factory=Future)


class BatchingSession:
    """A session that collects the rows of concurrent calls and runs them together. Thread-safe.

    A call with more rows than the largest batch is split. If a batch fails, the rows of each call
    in it run alone, so that only the calls that fail by themselves raise, each its own error. The
    first axis of all inputs and outputs must be the row.
    """

    def __init__(self, session: Session, limits: BatchLimits = BatchLimits()) -> None:
        self._session, self._wait, self._largest = session, limits.wait, limits.largest
        self._pending: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="batching", daemon=True)
        self._worker.start()

    @property
    def providers(self) -> tuple[str, ...]:
        """Execution providers in use, best first."""
        return self._session.providers

    def run(self, batch: Tensor | Pixels) -> Outputs:
        """Returns all outputs for these rows. Raises ModelError after `close`, or their error."""
        futures = self.submit(batch)
        try:
            parts = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(output) for output in zip(*parts, strict=True)]

    def submit(self, batch: Tensor | Pixels) -> list[Future[Outputs]]:
        """Queues the rows, in parts of at most `largest`, and returns one future for each part.

        A future that is cancelled before its run is dropped from the batch. Raises ModelError
        after `close`.
        """
        due = time.monotonic() + self._wait
        starts = range(0, max(len(batch), 1), self._largest)
        items = [_Item(batch[start : start + self._largest], due) for start in starts]
        with self._changed:
            if self._closed:
                raise _closed()
            self._pending.extend(items)
            self._changed.notify_all()
        return [item.outputs for item in items]

    def close(self) -> None:
        """Ends the worker after the batch that runs; calls that wait raise ModelError."""
        with self._changed:
            self._closed = True
            abandoned = list(self._pending)
            self._pending.clear()
            self._changed.notify_all()
        for item in abandoned:
            if item.outputs.set_running_or_notify_cancel():
                item.outputs.set_exception(_closed())
        self._worker.join()

    def _work(self) -> None:
        while (items := self._collect()) is not None:
            wanted = [item for item in items if item.outputs.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)

    def _answer(self, items: Sequence[_Item]) -> None:
        """Runs the items; whatever fails, every future ends and the worker goes on."""
        try:
            self._run_together(items)
        except Exception as error:
            for item in items:
                if not item.outputs.done():
                    item.outputs.set_exception(error)

    def _collect(self) -> list[_Item] | None:
        """Waits for a batch and returns it; None after `close`."""
        with self._changed:
            while not self._closed:
                self._drop_cancelled()
                if not self._pending:
                    self._changed.wait()
                    continue
                remaining = self._pending[0].due - time.monotonic()
                full = sum(len(item.rows) for item in self._pending) >= self._largest
                if full or remaining <= 0.0:
                    return self._take()
                self._changed.wait(remaining)
        return None

    def _drop_cancelled(self) -> None:
        if any(item.outputs.cancelled() for item in self._pending):
            kept = [item for item in self._pending if not item.outputs.cancelled()]
            self._pending = deque(kept)

    def _take(self) -> list[_Item]:
        taken = [self._pending.popleft()]
        rows = len(taken[0].rows)
        while self._pending and rows + len(self._pending[0].rows) <= self._largest:
            taken.append(self._pending.popleft())
            rows += len(taken[-1].rows)
        return taken

    def _run_together(self, items: Sequence[_Item]) -> None:
        if len(items) == 1:
            self._run_alone(items[0])
            return
        try:
            parts = self._outputs(items)
        except Exception:  # whatever it is, the calls that cause it raise it when they run alone
            for item in items:
                self._run_alone(item)
            return
        for item, outputs in zip(items, parts, strict=True):
            item.outputs.set_result(outputs)

    def _outputs(self, items: Sequence[_Item]) -> list[Outputs]:
        """Runs the items as one batch and returns the outputs of each."""
        rows: list[NDArray[Any]] = [item.rows for item in items]
        batch = np.concatenate(rows, casting="no")
        outputs = self._session.run(batch)
        if any(len(output) != len(batch) for output in outputs):
            raise ModelError("the model's outputs do not have one row for each row of its input")
        ends = np.cumsum([len(part) for part in rows])[:-1]
        return [list(part) for part in zip(*(np.split(o, ends) for o in outputs), strict=True)]

    def _run_alone(self, item: _Item) -> None:
        try:
            item.outputs.set_result(self._session.run(item.rows))
        except Exception as error:  # raised in the thread of the call
            item.outputs.set_exception(error)


def _closed() -> ModelError:
    return ModelError("the service is shutting down; send the request again later")
