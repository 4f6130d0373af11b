"""Authenticates API keys and enforces the rate limit."""

import hmac
from collections.abc import Sequence

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pydantic import SecretStr

from app.errors import Forbidden, RateLimited, Unauthorized
from app.settings import Role


class ApiKeyAuthenticator:
    """Maps API keys to roles. Without configured keys, every caller has the role `write`."""

    def __init__(self, keys: Sequence[tuple[SecretStr, Role]]) -> None:
        self._keys = keys

    @property
    def has_keys(self) -> bool:
        """Whether keys are configured."""
        return bool(self._keys)

    def authorize(self, key: str | None, required: Role) -> None:
        """Raises Unauthorized for a missing or unknown key, Forbidden for an insufficient role."""
        role = self._authenticate(key)
        if required == "write" and role != "write":
            raise Forbidden("this API key is read-only; use a key with the role write")

    def _authenticate(self, key: str | None) -> Role:
        if not self._keys:
            return "write"
        sent = (key or "").encode()
        found: Role | None = None
        for known, role in self._keys:  # no early exit: the duration must not depend on the key
            if hmac.compare_digest(known.get_secret_value().encode(), sent):
                found = role
        if found is None:
            raise Unauthorized("the API key is missing or unknown; send it in the X-API-Key header")
        return found


class RateLimiter:
    """A moving-window limit per caller, counted in this process. `limit` None means no limit."""

    def __init__(self, limit: str | None) -> None:
        self._limit: RateLimitItem | None = parse(limit) if limit else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, caller: str) -> None:
        """Counts one request of the caller. Raises RateLimited when the limit is exceeded."""
        if self._limit is not None and not self._limiter.hit(self._limit, caller):
            raise RateLimited(self._limit.get_expiry())
