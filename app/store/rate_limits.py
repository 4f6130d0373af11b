"""Counts requests per caller: in memory, in Redis, or in a database that all workers share."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from limits import RateLimitItem
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from app.errors import InvalidSetting, SimaError
from app.private_files import create_if_missing

_TIMEOUT_SECONDS = 1
_CLEANING_SECONDS = 60.0

_CREATE = """CREATE {kind} TABLE IF NOT EXISTS rate_limits (
    caller VARCHAR(64) NOT NULL, number BIGINT NOT NULL, hits INTEGER NOT NULL,
    expires DOUBLE PRECISION NOT NULL, PRIMARY KEY (caller, number))"""

# One statement, so that concurrent requests of several processes are counted one after the other.
# It returns no row if the sum of this window and the weighted former one would exceed the limit.
_FORMER = """:weight * coalesce((SELECT former.hits FROM rate_limits AS former
    WHERE former.caller = :caller AND former.number = :number - 1), 0)"""
_HIT = text(f"""INSERT INTO rate_limits (caller, number, hits, expires)
SELECT CAST(:caller AS VARCHAR(64)), CAST(:number AS BIGINT), 1, CAST(:expires AS DOUBLE PRECISION)
WHERE {_FORMER} + 1 <= :amount
ON CONFLICT (caller, number) DO UPDATE SET hits = rate_limits.hits + 1
WHERE {_FORMER} + rate_limits.hits + 1 <= :amount
RETURNING hits""")
_CLEAN = text("DELETE FROM rate_limits WHERE expires < :now")


class CounterUnavailable(SimaError):
    """The storage of the counters cannot be reached or does not answer in time."""


class RequestCounter(Protocol):
    """Counts requests in sliding windows. `caller` is an opaque text of at most 64 characters."""

    def hit(self, limit: RateLimitItem, caller: str) -> bool:
        """Counts a request unless it exceeds the limit; returns whether it was counted.

        Raises CounterUnavailable.
        """

    def close(self) -> None:
        """Closes the connections."""


class MemoryCounter:
    """Counts in the memory of this process."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def hit(self, limit: RateLimitItem, caller: str) -> bool:
        """Counts a request. Raises nothing."""
        return self._limiter.hit(limit, caller)

    def close(self) -> None:
        """Does nothing."""


class RedisCounter:
    """Counts in Redis or Valkey. Its clock is that of the callers' machines."""

    def __init__(self, url: str) -> None:
        """Does not connect. Raises InvalidSetting."""
        try:
            storage = RedisStorage(
                url.replace("valkey", "redis", 1),
                key_prefix="sima",
                wrap_exceptions=True,
                socket_timeout=_TIMEOUT_SECONDS,
                socket_connect_timeout=_TIMEOUT_SECONDS,
            )
        except Exception:  # of a URL that cannot be parsed; its text may contain a password
            raise InvalidSetting(
                "SIMA_RATE_LIMIT_STORAGE: the URL is invalid or the package redis is missing; "
                "use redis://HOST:6379/0 and install the extra redis"
            ) from None
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    def hit(self, limit: RateLimitItem, caller: str) -> bool:
        """Counts a request. Raises CounterUnavailable."""
        try:
            return self._limiter.hit(limit, caller)
        except StorageError as error:
            raise CounterUnavailable(type(error.storage_error).__name__) from error

    def close(self) -> None:
        """Leaves the connections to the end of the process."""


class DatabaseCounter:
    """Counts in a table, which is created on first use; expired rows are deleted once a minute.

    The counters need not survive a failure of the machine, so nothing waits for a disk: the SQLite
    file is never synchronised, the table of PostgreSQL is unlogged.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._lock = threading.Lock()
        self._created = False
        self._cleaned = 0.0

    @classmethod
    def in_file(cls, file: Path) -> "DatabaseCounter":
        """Counts in an SQLite file of its own, so that no request waits for a writer of people."""
        engine = create_engine(URL.create("sqlite", database=str(file)), pool_size=4)
        event.listen(engine, "do_connect", lambda *_arguments: create_if_missing(file))
        event.listen(engine, "connect", _prepare_sqlite)
        return cls(engine)

    @classmethod
    def in_postgresql(cls, url: str) -> "DatabaseCounter":
        """Counts in the database of the service."""
        options = f"-c statement_timeout={1000 * _TIMEOUT_SECONDS}"
        arguments = {"connect_timeout": 2, "options": options}
        return cls(create_engine(url, pool_size=4, connect_args=arguments))

    def hit(self, limit: RateLimitItem, caller: str) -> bool:
        """Counts a request. Raises CounterUnavailable."""
        seconds, now = limit.get_expiry(), time.time()
        number, passed = divmod(now, seconds)
        parameters = {
            "caller": caller,
            "number": int(number),
            "weight": 1.0 - passed / seconds,
            "amount": limit.amount,
            "expires": (number + 2) * seconds,
        }
        return self._translated(lambda: self._hit(parameters, now))

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    def _hit(self, parameters: dict[str, object], now: float) -> bool:
        self._create()
        with self._engine.connect() as connection:
            counted = connection.execute(_HIT, parameters).first() is not None
            if now - self._cleaned > _CLEANING_SECONDS:
                self._cleaned = now
                connection.execute(_CLEAN, {"now": now})
        return counted

    def _create(self) -> None:
        if self._created:
            return
        kind = "" if self._is_sqlite else "UNLOGGED"
        with self._lock, self._engine.connect() as connection:
            if not self._is_sqlite:  # two processes that create a table at once both fail
                connection.exec_driver_sql("SELECT pg_advisory_lock(7293)")
            try:
                connection.exec_driver_sql(_CREATE.format(kind=kind))
            finally:
                if not self._is_sqlite:
                    connection.exec_driver_sql("SELECT pg_advisory_unlock(7293)")
            self._created = True

    def _translated(self, action: Callable[[], bool]) -> bool:
        try:
            return action()
        except (SQLAlchemyError, OSError) as error:
            self._created = False  # the file or the table may have been deleted
            raise CounterUnavailable(type(error).__name__) from error


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={1000 * _TIMEOUT_SECONDS}",
        "journal_mode=WAL",
        "synchronous=OFF",
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
