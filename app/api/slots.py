"""Limits the worker threads: separately for photos and searches, for writes, and for probes."""

import math
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio import CapacityLimiter

from app.api.active_request import ActiveRequest
from app.api.work_queue import WorkQueue
from app.errors import Overloaded

T = TypeVar("T")

WRITE_SLOTS = 4
"""Writes of a process at the same time. They mostly wait for the database."""

_WRITES_WAIT = (
    "other writes wait for the database; send the request again, and look for a process that holds "
    "the lock of the database if this persists"
)


class WorkerSlots:
    """The worker threads of one application, so that writes that wait for a lock delay no reads.

    `concurrency` is the number of threads for photos and searches. At most `max_waiting` requests
    wait for them, and as many for threads for writes, for at most `write_wait` seconds. `report`
    receives the number of requests that wait for photos and searches.
    """

    def __init__(
        self, concurrency: int, max_waiting: int, write_wait: float, report: Callable[[int], None]
    ) -> None:
        self.queue = WorkQueue(concurrency, max_waiting, report)
        self._writes = CapacityLimiter(WRITE_SLOTS)
        self._parsing = CapacityLimiter(1)  # Python code, of which only one thread runs at a time
        self._probes = CapacityLimiter(1)
        self._taken = CapacityLimiter(math.inf)  # of threads whose slot was taken before
        self._max_waiting, self._write_wait = max_waiting, write_wait

    async def read(self, work: Callable[[], T], request: ActiveRequest) -> T:
        """Runs work on photos, or work that only reads the database, in a worker thread.

        It ends before its next stage if the client has left or the deadline has passed. Raises
        Overloaded, ClientDisconnect.
        """
        return await self.queue.run(work, request)

    async def parse(self, work: Callable[[], T]) -> T:
        """Parses a large body in a thread of its own, apart from the queue for photos."""
        return await anyio.to_thread.run_sync(work, limiter=self._parsing)

    async def write(self, work: Callable[[], T], request: ActiveRequest) -> T:
        """Runs work that writes to the database, which is completed once it has begun.

        Raises Overloaded if no thread becomes free.
        """
        if self._writes.statistics().tasks_waiting >= self._max_waiting:
            raise Overloaded(_WRITES_WAIT)
        wait = min(self._write_wait, request.remaining())
        if wait <= 0.0:
            raise request.too_late(retry_after=1)
        borrower = object()
        try:
            with anyio.fail_after(wait):
                await self._writes.acquire_on_behalf_of(borrower)
        except TimeoutError:
            raise Overloaded(_WRITES_WAIT) from None
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._taken)
        finally:
            self._writes.release_on_behalf_of(borrower)

    async def probe(self, check: Callable[[], T]) -> T:
        """Runs a health check, which never waits for other requests."""
        return await anyio.to_thread.run_sync(check, limiter=self._probes)
