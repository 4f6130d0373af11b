"""FastAPI dependencies: the application context and request timings.

They are coroutines: FastAPI runs other functions in a thread, which takes longer than any of these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from app.api.auth import ApiKeyAuthenticator, RateLimiter
from app.api.middleware import Metrics
from app.api.slots import WorkerSlots
from app.timings import Timings
from app.wiring.services import Services

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """The objects of one running application."""

    services: Services
    authenticator: ApiKeyAuthenticator
    rate_limiter: RateLimiter
    metrics: Metrics
    slots: WorkerSlots

    async def run(self, work: Callable[[], T]) -> T:
        """Runs work on photos, or work that only reads the database, in a worker thread."""
        return await self.slots.read(work)

    async def write(self, work: Callable[[], T]) -> T:
        """Runs work that writes to the database in a worker thread. Raises Overloaded."""
        return await self.slots.write(work)

    async def probe(self, check: Callable[[], T]) -> T:
        """Runs a health check in a thread of its own."""
        return await self.slots.probe(check)


async def get_context(request: Request) -> Context:
    """The context that the application's lifespan created."""
    return cast(Context, request.app.state.context)


async def get_timings(request: Request) -> Timings:
    """The stage timings of this request."""
    return cast(Timings, request.scope["timings"])


Ctx = Annotated[Context, Depends(get_context)]
RequestTimings = Annotated[Timings, Depends(get_timings)]
