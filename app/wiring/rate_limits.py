"""Opens the storage of the rate limits that the settings name."""

from app.settings import Settings
from app.store.db.database_url import sqlite_file
from app.store.rate_limits import DatabaseCounter, MemoryCounter, RedisCounter, RequestCounter

RATE_LIMITS_FILE = "rate-limits.db"


def open_counter(settings: Settings) -> RequestCounter:
    """The counter of `rate_limit_storage`. Opens no connection. Raises InvalidSetting."""
    storage = settings.rate_limit_storage
    if storage not in ("database", "memory"):
        return RedisCounter(storage)
    url = settings.effective_database_url
    if storage == "memory" or url in ("sqlite://", "sqlite:///:memory:"):
        return MemoryCounter()
    if url.startswith("postgresql"):
        return DatabaseCounter.in_postgresql(url)
    file = sqlite_file(url)
    return (
        MemoryCounter() if file is None else DatabaseCounter.in_file(file.parent / RATE_LIMITS_FILE)
    )
