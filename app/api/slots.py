"""Limits the worker threads: separately for photos and searches, for writes, and for probes."""

import math
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio import CapacityLimiter

from app.errors import Overloaded

T = TypeVar("T")

WRITE_SLOTS = 4
"""Writes of a process at the same time. They mostly wait for the database."""


class WorkerSlots:
    """The worker threads of one application, so that writes that wait for a lock delay no reads.

    `concurrency` is the number of threads for photos and searches. A write waits for a thread at
    most `write_wait` seconds.
    """

    def __init__(self, concurrency: int, write_wait: float) -> None:
        self._reads = CapacityLimiter(concurrency)
        self._writes = CapacityLimiter(WRITE_SLOTS)
        self._probes = CapacityLimiter(1)
        self._taken = CapacityLimiter(math.inf)  # of threads whose slot was taken before
        self._write_wait = write_wait

    async def read(self, work: Callable[[], T]) -> T:
        """Runs work on photos, or work that only reads the database, in a worker thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._reads)

    async def write(self, work: Callable[[], T]) -> T:
        """Runs work that writes to the database. Raises Overloaded if no thread becomes free."""
        borrower = object()
        try:
            with anyio.fail_after(self._write_wait):
                await self._writes.acquire_on_behalf_of(borrower)
        except TimeoutError:
            raise Overloaded(
                "other writes wait for the database; send the request again, and look for a "
                "process that holds the lock of the database if this persists"
            ) from None
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._taken)
        finally:
            self._writes.release_on_behalf_of(borrower)

    async def probe(self, check: Callable[[], T]) -> T:
        """Runs a health check, which never waits for other requests."""
        return await anyio.to_thread.run_sync(check, limiter=self._probes)
