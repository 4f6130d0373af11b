"""What endpoints ask for: the services, a worker thread, and leave to go on."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar, cast

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.api.middleware import Metrics
from app.errors import Forbidden, RateLimited, Unauthorized
from app.settings import Role, Settings
from app.timings import Timings
from app.wiring.services import Services

T = TypeVar("T")

_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of SIMA_API_KEYS.")
_bearer = HTTPBearer(auto_error=False, description="The same key, for clients that send it so.")

Key = Annotated[str | None, Security(_header)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


class Gate:
    """Who may come in, and how often. Knows nothing about requests."""

    def __init__(self, settings: Settings) -> None:
        self._keys = settings.secret_key_roles()
        self._limit: RateLimitItem | None = (
            parse(settings.rate_limit) if settings.rate_limit else None
        )
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def admit(self, key: str | None, address: str, wanted: Role) -> None:
        """Raises Unauthorized, Forbidden or RateLimited."""
        role = self._role(key)
        if wanted == "write" and role != "write":
            raise Forbidden("this API key may only read")
        caller = key or address
        if self._limit is not None and not self._limiter.hit(self._limit, caller):
            raise RateLimited(self._limit.get_expiry())

    def _role(self, key: str | None) -> Role:
        if not self._keys:
            return "write"
        given = (key or "").encode()
        found: Role | None = None
        for known, role in self._keys:  # every key is compared, whichever fits
            if hmac.compare_digest(known.get_secret_value().encode(), given):
                found = role
        if found is None:
            raise Unauthorized("send a valid API key in the X-API-Key header")
        return found


@dataclass(frozen=True, slots=True)
class Context:
    """What one application holds while it runs."""

    services: Services
    gate: Gate
    metrics: Metrics
    threads: CapacityLimiter

    async def run(self, work: Callable[[], T]) -> T:
        """Do CPU work or wait for the database in a worker thread, as many as there are cores."""
        return await anyio.to_thread.run_sync(work, limiter=self.threads)


def get_context(request: Request) -> Context:
    """The context that the lifespan made."""
    return cast(Context, request.app.state.context)


def get_timings(request: Request) -> Timings:
    """The stop-watches of this request."""
    return cast(Timings, request.scope["timings"])


def _admit(request: Request, key: str | None, wanted: Role) -> None:
    address = request.client.host if request.client else "unknown"
    get_context(request).gate.admit(key, address, wanted)


def may_read(request: Request, key: Key = None, bearer: Bearer = None) -> None:
    """Any known key, or none where no keys are set."""
    _admit(request, key or _token(bearer), "read")


def may_write(request: Request, key: Key = None, bearer: Bearer = None) -> None:
    """A key with the role `write`."""
    _admit(request, key or _token(bearer), "write")


def _token(bearer: HTTPAuthorizationCredentials | None) -> str | None:
    return bearer.credentials if bearer is not None else None


Ctx = Annotated[Context, Depends(get_context)]
RequestTimings = Annotated[Timings, Depends(get_timings)]
Reader = Depends(may_read)
Writer = Depends(may_write)
