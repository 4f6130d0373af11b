"""Reads the URL of a database."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.errors import InvalidSetting
from app.store.db.sqlite_files import SqliteFiles


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for one in memory, a `file:` URI and PostgreSQL.

    Raises InvalidSetting for an invalid URL.
    """
    parsed = parse_url(url)
    files = SqliteFiles.of(parsed) if parsed.get_backend_name() == "sqlite" else None
    return None if files is None else files.path


def parse_url(url: str) -> URL:
    """Returns the parsed URL. Raises InvalidSetting, without the URL: it may contain a password."""
    try:
        parsed = make_url(url)
        supported = parsed.get_backend_name() in ("sqlite", "postgresql")
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, ImportError, ValueError):  # ValueError: the port is not a number
        supported = False
    if not supported:
        raise InvalidSetting(
            "SIMA_DATABASE_URL or SIMA_INDEX_URL: the URL is invalid or its driver is not "
            "installed; use sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        )
    if parsed.get_backend_name() == "postgresql" and "@" in f"{parsed.host}{parsed.database}":
        # The driver would take a part of the password for the host, and name it in its errors.
        raise InvalidSetting(
            "SIMA_DATABASE_URL or SIMA_INDEX_URL: the URL has several @; write an @ in a password "
            "as %40"
        )
    return parsed
