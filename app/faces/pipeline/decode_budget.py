"""Limits the memory that decoded images take in all threads of a process together."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

DEFAULT_BYTES = 1_000_000_000


class DecodeBudget:
    """A number of bytes that threads reserve before they decode an image; first come, first served.

    A thread waits while the bytes of the others and its own exceed the budget. An image that needs
    more than the whole budget is decoded while no other is.
    """

    def __init__(self, total: int = DEFAULT_BYTES) -> None:
        self._total, self._reserved = total, 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Waits for `size` bytes of the budget and holds them during the block."""
        size = min(size, self._total)
        self._acquire(size)
        try:
            yield
        finally:
            with self._changed:
                self._reserved -= size
                self._changed.notify_all()

    def _acquire(self, size: int) -> None:
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                self._changed.wait_for(
                    lambda: self._waiting[0] is turn and self._reserved + size <= self._total
                )
                self._reserved += size
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()  # the next in turn may fit, too
