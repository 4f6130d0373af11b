"""Copies a running SQLite database into a signed file, checks such files and restores them."""

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.crypto.keyring import Keyring
from app.crypto.signing import Signer
from app.errors import InvalidArchive, InvalidRequest
from app.store.backup_file import BackupContent, BackupManifest, extract_backup, write_backup
from app.store.db.schema import is_known
from app.store.revocations import Revocations, carry_revocations

_COMPANIONS = ("-wal", "-shm")
_PAGES = 4_096  # copied at a time, so that writers wait for milliseconds only


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. `kept` is the new name of the database that was there before, if any."""

    manifest: BackupManifest
    kept: Path | None
    revocations: Revocations


def create_backup(database: Path, file: Path, signer: Signer, keyring: Keyring) -> BackupManifest:
    """Writes the state of the database at one moment to `file`; a service may be writing.

    A copy lies next to `file` meanwhile, readable by its owner only. Raises InvalidRequest if there
    is no database, InvalidArchive for another suffix, OSError.
    """
    if not database.exists():
        raise InvalidRequest("database", f"there is no database at {database}; nothing to back up")
    with tempfile.TemporaryDirectory(prefix=".sima-backup-", dir=file.parent) as folder:
        copy = Path(folder) / "copy.db"
        with closing(_open(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target, pages=_PAGES)
        return write_backup(file, copy, _content(copy), signer, keyring)


def verify_backup(
    file: Path, trusted_signers: Sequence[str | None], keyring: Keyring
) -> BackupManifest:
    """Checks signature, digest and decryption, and that SQLite finds the database intact.

    The database is extracted next to `file` meanwhile. Raises InvalidArchive, DecryptionFailed,
    OSError.
    """
    with tempfile.TemporaryDirectory(prefix=".sima-backup-", dir=file.parent) as folder:
        return _extract_intact(file, Path(folder) / "copy.db", trusted_signers, keyring)


def restore_backup(
    file: Path,
    database: Path,
    trusted_signers: Sequence[str | None],
    keyring: Keyring,
    replace: bool = False,
) -> Restored:
    """Puts the database of a backup at `database`, after all checks of `verify_backup`.

    With `replace` an existing database is kept under another name, and API keys that it has as
    revoked are revoked in the restored one, too. No service may be running. Raises InvalidRequest
    if there is a database and not `replace`, and for a backup of a newer schema; InvalidArchive,
    DecryptionFailed, OSError. Nothing changes then.
    """
    if database.exists() and not replace:
        raise InvalidRequest(
            "database", f"{database} exists; use --replace to keep it under another name"
        )
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    extracted = database.with_name(f"{database.name}.restoring")
    manifest = _extract_intact(file, extracted, trusted_signers, keyring)
    if not is_known(manifest.schema):
        extracted.unlink()
        raise InvalidRequest(
            "file",
            f"the backup has the schema {manifest.schema}, which this version does not know; "
            "install the version that wrote it, or a later one",
        )
    revocations = carry_revocations(database, extracted)
    kept = _set_aside(database)
    extracted.replace(database)
    return Restored(manifest, kept, revocations)


def _extract_intact(
    file: Path, target: Path, trusted_signers: Sequence[str | None], keyring: Keyring
) -> BackupManifest:
    manifest = extract_backup(file, target, trusted_signers, keyring)
    try:
        with closing(_open(target)) as copy:
            [result] = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        result = str(error)
    if result != "ok":
        target.unlink()
        raise InvalidArchive(f"the database of the backup is damaged: {result}")
    return manifest


def _set_aside(database: Path) -> Path | None:
    """Renames a database with its write-ahead log; returns the new name of the first."""
    if not database.exists():
        return None
    suffix = f".before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for companion in _COMPANIONS:
        log = database.with_name(database.name + companion)
        if log.exists():
            log.rename(log.with_name(f"{database.name}{suffix}{companion}"))
    return database.rename(database.with_name(database.name + suffix))


def _open(database: Path) -> sqlite3.Connection:
    """A connection that does not create the file."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True)


def _content(copy: Path) -> BackupContent:
    with closing(_open(copy)) as connection:

        def value(query: str) -> str:
            return str(connection.execute(query).fetchone()[0])

        people = "SELECT count(*) FROM entries JOIN collections ON collections.id = collection_id"
        return BackupContent(
            schema=value("SELECT version_num FROM alembic_version"),
            people=int(value(f"{people} WHERE kind = 'gallery'")),
            templates=int(value("SELECT count(*) FROM templates")),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
