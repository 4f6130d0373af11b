"""Authenticates API keys and enforces the rate limit."""

import hmac
from collections.abc import Sequence

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pydantic import SecretStr

from app.api.callers import ANYBODY, Caller
from app.errors import RateLimited, Unauthorized
from app.settings import KeyRole


class ApiKeyAuthenticator:
    """Maps API keys to callers. Without configured keys, every caller is ANYBODY."""

    def __init__(self, keys: Sequence[tuple[SecretStr, KeyRole]]) -> None:
        self._keys = [
            (key, Caller(f"setting-{number}", "admin" if role == "write" else "read"))
            for number, (key, role) in enumerate(keys, 1)
        ]

    def identify(self, key: str | None) -> Caller:
        """Raises Unauthorized for a missing or unknown key."""
        if not self._keys:
            return ANYBODY
        sent = (key or "").encode()
        found: Caller | None = None
        for known, caller in self._keys:  # no early exit: the duration must not depend on the key
            if hmac.compare_digest(known.get_secret_value().encode(), sent):
                found = caller
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
