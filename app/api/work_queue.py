"""A bounded queue for a bounded number of worker threads."""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect

from app.api.active_request import ActiveRequest
from app.errors import Overloaded

T = TypeVar("T")

_SHARE_OF_DEADLINE = 0.8  # durations vary: what is expected to end at the deadline may miss it
_WEIGHT_OF_LATEST = 0.2
_LONGEST_RETRY_AFTER = 60
_SPREAD = 2.0  # so that clients that were refused together do not all return at the same time
_EXPECTED_SECONDS = 2.0  # in which the body of an announced request usually arrives


@dataclass(slots=True, eq=False)
class _Turn:
    """A place in the queue, then a thread. `seconds` is how long the work is expected to take."""

    seconds: float
    granted: asyncio.Future[None]
    began: float = field(default=math.inf)

    def remaining(self, now: float) -> float:
        return max(self.seconds - max(now - self.began, 0.0), 0.0)

    def fail(self, error: Exception) -> None:
        if not self.granted.done():
            self.granted.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Announcement:
    """A request whose body is still to arrive; it counts until that time."""

    seconds: float
    until: float


class WorkQueue:
    """Runs work in `threads` threads, first come, first served; at most `max_waiting` wait.

    A request is refused at once if the work ahead of it, by the measured durations of each route,
    would leave it too little time before its deadline. For two seconds, the work ahead includes
    requests whose body is still to arrive: otherwise many that arrive together would all be read,
    and most of them refused afterwards. A request leaves the queue when its client disconnects.

    The methods are called in the event loop. `report` receives the number of waiting requests after
    each change.
    """

    def __init__(self, threads: int, max_waiting: int, report: Callable[[int], None]) -> None:
        self._threads, self._max_waiting, self._report = threads, max_waiting, report
        self._waiting: deque[_Turn] = deque()
        self._running: set[_Turn] = set()
        self._announced: dict[ActiveRequest, _Announcement] = {}
        self._seconds: dict[str, float] = {}  # by route, averaged exponentially
        self._limiter = CapacityLimiter(math.inf)  # turns limit the threads

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._running and not self._waiting

    def expected_wait(self) -> float:
        """Seconds until a thread is expected to be free for a new request."""
        if self._ahead() < self._threads:
            return 0.0
        now = time.monotonic()
        seconds = sum(turn.remaining(now) for turn in self._running)
        seconds += sum(turn.seconds for turn in self._waiting)
        seconds += sum(one.seconds for one in self._announced.values() if one.until > now)
        return seconds / self._threads

    @contextmanager
    def announce(self, request: ActiveRequest) -> Iterator[None]:
        """Counts the request as work ahead of later ones, until `run` or the end of the block.

        Called before the body is read. Raises Overloaded if `run` would. Routes that are not known
        to use a thread pass.
        """
        if request.route in self._seconds:
            self._admit(request)
            until = time.monotonic() + _EXPECTED_SECONDS
            self._announced[request] = _Announcement(self._seconds[request.route], until)
        try:
            yield
        finally:
            self._announced.pop(request, None)

    async def run(self, work: Callable[[], T], request: ActiveRequest) -> T:
        """Returns the result of the work. Raises Overloaded, ClientDisconnect, or its error."""
        announced = self._announced.pop(request, None)
        if announced is None or announced.until <= time.monotonic():
            self._admit(request)
        request.admitted = True
        loop = asyncio.get_running_loop()
        turn = _Turn(self._seconds.get(request.route, 0.0), loop.create_future())
        watch = loop.create_task(_watch(request, turn))
        try:
            await self._wait(turn, request)
            return await self._run(work, request, turn)
        finally:
            watch.cancel()

    def _admit(self, request: ActiveRequest) -> None:
        if request.admitted:  # further work of a request is not refused, it only waits
            return
        ahead = self._ahead()
        if ahead < self._threads:
            return
        wait = self.expected_wait()
        spread = wait * random.uniform(1.0, _SPREAD)  # noqa: S311 - no secret
        retry_after = min(max(math.ceil(spread), 1), _LONGEST_RETRY_AFTER)
        if ahead >= self._threads + self._max_waiting:
            error = Overloaded(
                f"{self._max_waiting} requests wait for a worker thread; send the request again "
                "later, or add workers"
            )
            error.retry_after = retry_after
            raise error
        needed = wait + self._seconds.get(request.route, 0.0)
        if needed > _SHARE_OF_DEADLINE * request.remaining():
            raise request.too_late(retry_after)

    def _ahead(self) -> int:
        """The number of requests that run, wait, or are announced."""
        now = time.monotonic()
        announced = sum(one.until > now for one in self._announced.values())
        return len(self._running) + len(self._waiting) + announced

    async def _wait(self, turn: _Turn, request: ActiveRequest) -> None:
        """Waits for a thread. The turn is in `_running` afterwards, unless an error is raised."""
        self._waiting.append(turn)
        self._grant()
        if turn.granted.done():
            return
        self._report(len(self._waiting))
        timer = None
        if (remaining := request.remaining()) < math.inf:
            late = request.too_late(retry_after=max(math.ceil(self.expected_wait()), 1))
            timer = asyncio.get_running_loop().call_later(remaining, turn.fail, late)
        try:
            await turn.granted
        except BaseException:  # also cancellation, at the same moment as a grant
            if turn in self._running:
                self._release(turn)
            else:
                self._waiting.remove(turn)
            raise
        finally:
            self._report(len(self._waiting))
            if timer is not None:
                timer.cancel()

    async def _run(self, work: Callable[[], T], request: ActiveRequest, turn: _Turn) -> T:
        request.may_be_stopped = True
        try:
            result = await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            request.may_be_stopped = False
            self._release(turn)
        self._measure(request.route, time.monotonic() - turn.began)
        return result

    def _grant(self) -> None:
        """Gives free threads to those who wait."""
        for turn in list(self._waiting):
            if len(self._running) >= self._threads:
                return
            if not turn.granted.done():  # else its request has failed and will leave the queue
                self._waiting.remove(turn)
                self._running.add(turn)
                turn.began = time.monotonic()
                turn.granted.set_result(None)

    def _release(self, turn: _Turn) -> None:
        self._running.discard(turn)
        self._grant()

    def _measure(self, route: str, seconds: float) -> None:
        before = self._seconds.get(route, seconds)
        self._seconds[route] = before + _WEIGHT_OF_LATEST * (seconds - before)


async def _watch(request: ActiveRequest, turn: _Turn) -> None:
    await request.wait_for_disconnect()
    turn.fail(ClientDisconnect())
