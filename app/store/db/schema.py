"""Migrates the schema with Alembic under the write lock of the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.errors import InvalidRequest
from app.resources import MIGRATIONS
from app.store.db.database import Database


def upgrade(database: Database, revision: str = "head") -> None:
    """Runs the migrations up to `revision`; safe if several processes call it together.

    Raises InvalidRequest for an unknown revision.
    """
    with _known_revision(revision), database.write() as session:
        if not database.is_sqlite:  # wait for the migrations of another process to end
            session.execute(text("SET LOCAL lock_timeout = 0"))
        command.upgrade(_config(session), revision)


def downgrade(database: Database, revision: str) -> None:
    """Reverts to `revision`; `base` is an empty database. Data in dropped tables is lost.

    Raises InvalidRequest for an unknown revision.
    """
    with _known_revision(revision), database.write() as session:
        command.downgrade(_config(session), revision)


def is_known(revision: str) -> bool:
    """Whether this version has a migration with the revision."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    return any(script.revision == revision for script in scripts.walk_revisions())


def current_revision(session: Session) -> str | None:
    """The revision of the database; None if it has no schema."""
    return MigrationContext.configure(session.connection()).get_current_revision()


def newest_revision() -> str | None:
    """The revision that this version of the service needs."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


@contextmanager
def _known_revision(revision: str) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise InvalidRequest(
            "revision", f"the migration to {revision!r} failed: {error}"
        ) from error


def _config(session: Session) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = session.connection()
    return config
