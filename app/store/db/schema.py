"""Bring the schema up or down with alembic, under the database's write lock."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session

from app.store.db.database import Database

_SCRIPTS = Path(__file__).resolve().parents[3] / "migrations"


def upgrade(database: Database, revision: str = "head") -> None:
    """Run what is missing; several processes at once are fine, one does the work."""
    with database.write() as session:
        command.upgrade(_config(session), revision)


def downgrade(database: Database, revision: str) -> None:
    """Go back to `revision`, or to `base`: an empty database. Data of dropped tables is gone."""
    with database.write() as session:
        command.downgrade(_config(session), revision)


def _config(session: Session) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = session.connection()
    return config
