"""FastAPI dependencies: the application context and request timings.

They are coroutines: FastAPI runs other functions in a thread, which takes longer than any of these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar, cast

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Depends, Request

from app.api.auth import ApiKeyAuthenticator, RateLimiter
from app.api.middleware import Metrics
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
    threads: CapacityLimiter
    probes: CapacityLimiter

    async def run(self, work: Callable[[], T]) -> T:
        """Runs blocking or CPU-bound work in a worker thread, limited by `threads`."""
        return await anyio.to_thread.run_sync(work, limiter=self.threads)

    async def probe(self, check: Callable[[], T]) -> T:
        """Runs a health check in a thread of its own, so that it never waits for other requests."""
        return await anyio.to_thread.run_sync(check, limiter=self.probes)


async def get_context(request: Request) -> Context:
    """The context that the application's lifespan created."""
    return cast(Context, request.app.state.context)


async def get_timings(request: Request) -> Timings:
    """The stage timings of this request."""
    return cast(Timings, request.scope["timings"])


Ctx = Annotated[Context, Depends(get_context)]
RequestTimings = Annotated[Timings, Depends(get_timings)]
