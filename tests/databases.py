"""Fixtures for databases on SQLite and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store.collections import create_collection
from app.store.db import (  # noqa: F401 - declare tables
    access_tables,
    audit_tables,
    detection_table,
    event_tables,
    image_tables,
    rejection_table,
    visitor_table,
)
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY
from tests.store.galleries import SPACE


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database on SQLite or PostgreSQL, without a schema."""
    # On a busy machine, writers of a test may wait for long.
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{tmp_path / 'test.db'}", busy_seconds=60.0)
    else:
        opened = Database(request.getfixturevalue("postgres"), busy_seconds=60.0)
    yield opened
    opened.close()


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, tmp_path: Path, empty: Database) -> str:
    """The URL of the database `empty`."""
    if empty.is_sqlite:
        return f"sqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("postgres"))


@pytest.fixture
def database(empty: Database) -> Database:
    """A migrated database with one empty gallery, `people`."""
    upgrade(empty)
    with empty.write() as session:
        create_collection(session, "people", GALLERY, SPACE)
    return empty
