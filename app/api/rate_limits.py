"""Enforces rate limits per API key, per address, and for failed authentication."""

import hashlib
import time
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from cachetools import LRUCache
from limits import RateLimitItem, parse

from app.errors import RateLimited
from app.logs import get_logger
from app.settings import Settings
from app.store.rate_limits import CounterUnavailable, MemoryCounter, RequestCounter

_log = get_logger("sima.access")

_THREADS = 4
_RETRY_SECONDS = 10.0
_REMEMBERED = 10_000  # addresses
_DELAY_PER_FAILURE, _LONGEST_DELAY = 0.002, 1.0


@dataclass(frozen=True, slots=True)
class RateLimits:
    """None means no limit. `failures` is that of requests with a missing or unknown key."""

    per_caller: RateLimitItem | None = None
    per_address: RateLimitItem | None = None
    failures: RateLimitItem | None = None

    @classmethod
    def of(cls, settings: Settings) -> "RateLimits":
        """The limits of the settings."""
        texts = (settings.rate_limit, settings.rate_limit_address, settings.rate_limit_failures)
        return cls(*(parse(text) if text else None for text in texts))


class RateLimiter:
    """Counts in a storage that all workers share, and in this process while that fails.

    After a failure of the storage, it is left alone for ten seconds, so that requests do not wait
    for its timeout. All methods are called in the event loop.
    """

    def __init__(self, limits: RateLimits, shared: RequestCounter) -> None:
        self._limits, self._shared, self._own = limits, shared, MemoryCounter()
        self._threads = CapacityLimiter(_THREADS)
        self._own_until = 0.0
        self._failures: LRUCache[str, int] = LRUCache(_REMEMBERED)
        self._blocked: LRUCache[str, float] = LRUCache(_REMEMBERED)
        self._known: LRUCache[tuple[str, str], bool] = LRUCache(_REMEMBERED)

    async def accept(self, key_id: str | None, address: str) -> None:
        """Counts a request of a known caller, or of anybody where there are no keys.

        Raises RateLimited beyond a limit, and while the address is blocked because of failures for
        a key that did not come from there before: otherwise guessing could go on.
        """
        address = _network(address)
        if key_id is not None:
            caller = (key_id, address)
            if caller not in self._known and self._is_blocked(address):
                raise RateLimited(self._blocked_for(address))
            self._known[caller] = True
        await self._count("address", self._limits.per_address, address)
        await self._count("caller", self._limits.per_caller, key_id or address)

    async def refuse(self, address: str) -> None:
        """Counts a failed authentication, then waits, longer for each failure of the address.

        Raises RateLimited beyond a limit.
        """
        address = _network(address)
        await self._count("address", self._limits.per_address, address)
        await self._count("caller", self._limits.per_caller, address)
        limit = self._limits.failures
        if limit is None:
            return
        if self._is_blocked(address) or not await self._hit("failure", limit, address):
            self._blocked.setdefault(address, time.monotonic() + limit.get_expiry())
            raise RateLimited(self._blocked_for(address))
        self._failures[address] = failures = self._failures.get(address, 0) + 1
        await anyio.sleep(min(_DELAY_PER_FAILURE * failures, _LONGEST_DELAY))

    def close(self) -> None:
        """Closes the connections to the storage."""
        self._shared.close()

    async def _count(self, kind: str, limit: RateLimitItem | None, caller: str) -> None:
        if limit is not None and not await self._hit(kind, limit, caller):
            raise RateLimited(limit.get_expiry())

    async def _hit(self, kind: str, limit: RateLimitItem, caller: str) -> bool:
        # The digest hides addresses, and gives each limit counters of its own.
        text = f"{kind} {limit.amount} {limit.get_expiry()} {caller}"
        name = hashlib.sha256(text.encode()).hexdigest()
        if time.monotonic() >= self._own_until:
            work = partial(self._shared.hit, limit, name)
            try:
                return await anyio.to_thread.run_sync(work, limiter=self._threads)
            except CounterUnavailable as error:
                self._own_until = time.monotonic() + _RETRY_SECONDS
                _log.error(
                    "rate_limit_storage_failed",
                    error=str(error),
                    effect="each worker counts for itself",
                    remedy="check SIMA_RATE_LIMIT_STORAGE and the database or server that it names",
                    retry_seconds=_RETRY_SECONDS,
                )
        return self._own.hit(limit, name)

    def _is_blocked(self, address: str) -> bool:
        if address in self._blocked and self._blocked[address] <= time.monotonic():
            del self._blocked[address]
            self._failures.pop(address, None)
        return address in self._blocked

    def _blocked_for(self, address: str) -> int:
        return max(round(self._blocked[address] - time.monotonic()), 1)


def _network(address: str) -> str:
    """The address, of IPv6 its network of 64 bits, which one subscriber has for himself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, 64), strict=False))
    return address
