"""Carries revocations of API keys over to a restored SQLite database, which may not know them.

A database of a schema without API keys has nothing to carry over.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

_KEYS = "SELECT id, revoked_at, expires_at FROM api_keys"
_HAS_KEYS = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'api_keys'"
_REVOKE = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
_EXPIRE = (
    "UPDATE api_keys SET expires_at = ? WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)"
)


@dataclass(frozen=True, slots=True)
class Revocations:
    """Ids of API keys of a restored database. `carried` were revoked or ended earlier by a rotation
    after the backup, and are so again; `valid` are not revoked.

    `known` is False if no database told what was revoked after the backup.
    """

    carried: tuple[str, ...]
    valid: tuple[str, ...]
    known: bool


def carry_revocations(current: Path, restored: Path) -> Revocations:
    """Revokes in `restored` the keys that `current` has as revoked, and ends those that it ends
    earlier.

    `current` may be missing or damaged, and is not changed. Raises sqlite3.Error for `restored`.
    """
    ended = _ended(current)
    with closing(_open(restored)) as connection, connection:
        if not _has_keys(connection):
            return Revocations((), (), ended is not None)
        carried = [
            key_id
            for key_id, revoked_at, expires_at in ended or ()
            if _end(connection, key_id, revoked_at, expires_at)
        ]
        valid = [key_id for key_id, revoked_at, _ in connection.execute(_KEYS) if not revoked_at]
    return Revocations(tuple(carried), tuple(valid), ended is not None)


def _end(
    connection: sqlite3.Connection, key_id: str, revoked_at: str | None, expires_at: str | None
) -> bool:
    """Whether the key changed. Times of SQLite are text that sorts by time."""
    changed = 0
    if revoked_at is not None:
        changed += connection.execute(_REVOKE, (revoked_at, key_id)).rowcount
    if expires_at is not None:
        changed += connection.execute(_EXPIRE, (expires_at, key_id, expires_at)).rowcount
    return changed > 0


def _ended(database: Path) -> list[tuple[str, str | None, str | None]] | None:
    """The keys with their ends; None if there is no readable database."""
    if not database.exists():
        return None
    try:
        with closing(_open(database)) as connection:
            return connection.execute(_KEYS).fetchall() if _has_keys(connection) else []
    except sqlite3.Error:
        return None


def _has_keys(connection: sqlite3.Connection) -> bool:
    [count] = connection.execute(_HAS_KEYS).fetchone()
    return bool(count)


def _open(database: Path) -> sqlite3.Connection:
    """A connection that does not create the file."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True)
