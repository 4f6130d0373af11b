"""FastAPI dependencies: the application context and request timings.

They are coroutines: FastAPI runs other functions in a thread, which takes longer than any of these.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from app.api.active_request import ActiveRequest
from app.api.auth import ApiKeyAuthenticator
from app.api.metrics import Metrics
from app.api.rate_limits import RateLimiter
from app.api.slots import WorkerSlots
from app.timings import Timings
from app.wiring.services import Services

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """The objects of one running application; `request` is the one that uses them."""

    services: Services
    authenticator: ApiKeyAuthenticator
    rate_limiter: RateLimiter
    metrics: Metrics
    slots: WorkerSlots
    request: ActiveRequest | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Runs work on photos, or work that only reads the database, in a worker thread.

        Raises Overloaded, or ClientDisconnect if the client has left.
        """
        return await self.slots.read(work, self._active())

    async def parse(self, work: Callable[[], T]) -> T:
        """Parses a large body in a worker thread."""
        return await self.slots.parse(work)

    async def write(self, work: Callable[[], T]) -> T:
        """Runs work that writes to the database in a worker thread. Raises Overloaded."""
        return await self.slots.write(work, self._active())

    async def probe(self, check: Callable[[], T]) -> T:
        """Runs a health check in a thread of its own."""
        return await self.slots.probe(check)

    def begin_item(self) -> None:
        """Begins the next item of a batch, for which the time limit counts anew."""
        self._active().restart()

    def announce(self) -> AbstractContextManager[None]:
        """Announces the request, whose body is read within the block.

        Raises Overloaded if it could not be answered before its deadline.
        """
        return self.slots.queue.announce(self._active())

    def _active(self) -> ActiveRequest:
        assert self.request is not None, "the context of the application has no request"
        return self.request


async def get_context(request: Request) -> Context:
    """The context that the application's lifespan created, for this request."""
    shared = cast(Context, request.app.state.context)
    return replace(shared, request=ActiveRequest.of(request.scope))


async def get_timings(request: Request) -> Timings:
    """The stage timings of this request."""
    return cast(Timings, request.scope["timings"])


Ctx = Annotated[Context, Depends(get_context)]
RequestTimings = Annotated[Timings, Depends(get_timings)]
