"""FastAPI dependencies: the application context, request timings, read and write access.

All of them are coroutines: FastAPI runs other functions in a thread, which takes longer than any of
these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar, cast

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.api.auth import ApiKeyAuthenticator, RateLimiter
from app.api.middleware import Metrics
from app.settings import Role
from app.timings import Timings
from app.wiring.services import Services

T = TypeVar("T")

_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of SIMA_API_KEYS.")
_bearer = HTTPBearer(auto_error=False, description="The same API key as a bearer token.")

ApiKey = Annotated[str | None, Security(_header)]
BearerToken = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


@dataclass(frozen=True, slots=True)
class Context:
    """The objects of one running application."""

    services: Services
    authenticator: ApiKeyAuthenticator
    rate_limiter: RateLimiter
    metrics: Metrics
    threads: CapacityLimiter

    async def run(self, work: Callable[[], T]) -> T:
        """Runs blocking or CPU-bound work in a worker thread, limited by `threads`."""
        return await anyio.to_thread.run_sync(work, limiter=self.threads)


async def get_context(request: Request) -> Context:
    """The context that the application's lifespan created."""
    return cast(Context, request.app.state.context)


async def get_timings(request: Request) -> Timings:
    """The stage timings of this request."""
    return cast(Timings, request.scope["timings"])


async def require_read(request: Request, key: ApiKey = None, bearer: BearerToken = None) -> None:
    """Requires any known API key. Raises Unauthorized or RateLimited."""
    _authorize(request, key, bearer, "read")


async def require_write(request: Request, key: ApiKey = None, bearer: BearerToken = None) -> None:
    """Requires an API key with the role `write`. Raises Unauthorized, Forbidden, RateLimited."""
    _authorize(request, key, bearer, "write")


def _authorize(
    request: Request, key: str | None, bearer: HTTPAuthorizationCredentials | None, required: Role
) -> None:
    context = cast(Context, request.app.state.context)
    sent = key or (bearer.credentials if bearer is not None else None)
    context.authenticator.authorize(sent, required)
    context.rate_limiter.hit(sent or (request.client.host if request.client else "unknown"))


Ctx = Annotated[Context, Depends(get_context)]
RequestTimings = Annotated[Timings, Depends(get_timings)]
Reader = Depends(require_read)
Writer = Depends(require_write)
