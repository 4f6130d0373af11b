"""Runs all checks, and all repairs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.doctor.database import check_integrity, check_schema, check_times
from app.doctor.files import check_files
from app.doctor.findings import Finding, ok, problem, warning
from app.doctor.indexes import check_indexes, rebuild, stale_collections
from app.doctor.keyring import check_keys
from app.doctor.models import check_galleries, check_models
from app.doctor.people import check_people, repair_metadata
from app.errors import InvalidSetting, SimaError
from app.settings import Settings
from app.store.db.database import Database
from app.store.db.database_url import sqlite_file
from app.store.db.tables import now
from app.wiring.data_folder import restrict_permissions
from app.wiring.index_engines import delete_unencrypted_snapshots, find_unencrypted_snapshots
from app.wiring.services import open_database


@dataclass(frozen=True, slots=True)
class Repairs:
    """One text per change, and the file with the original metadata, if any was replaced."""

    changes: list[str]
    originals: Path | None


def examine(settings: Settings) -> list[Finding]:
    """Runs all checks; changes nothing. Errors of a check are findings."""
    return [*check_files(settings), *check_models(settings), *_check_store(settings)]


def repair(settings: Settings) -> Repairs:
    """Restricts permissions, replaces invalid metadata, deletes unencrypted snapshots of people and
    rebuilds stale indexes.

    Raises InvalidSetting, NotReady, OSError. Without a database of the current schema, only the
    permissions are repaired.
    """
    changes = [f"{path}: only its owner can use it" for path in restrict_permissions(settings)]
    if _missing(settings):
        return Repairs(changes, None)
    database = open_database(settings)
    try:
        with database.read() as session:
            if check_schema(session).level != "ok":
                return Repairs(changes, None)
        originals = settings.data_dir / "repairs" / f"{now():%Y%m%dT%H%M%SZ}.jsonl"
        saved = repair_metadata(database, originals)
        changes += [f"person {one.person_id}: {change}" for one in saved for change in one.changes]
        plain = find_unencrypted_snapshots(settings, database)
        changes += [f"{file}: deleted, because it was not encrypted" for file in plain]
        delete_unencrypted_snapshots(settings, database)
        if settings.index_url.startswith("faiss:"):
            stale = [collection for collection, _ in stale_collections(settings, database)]
            changes += rebuild(settings, stale)
    finally:
        database.close()
    return Repairs(changes, originals if saved else None)


def _check_store(settings: Settings) -> Iterator[Finding]:
    try:
        database = open_database(settings)
    except InvalidSetting as error:
        yield problem("settings", str(error), "correct the setting")
        return
    try:
        if _missing(settings):
            yield warning(
                "database",
                "there is no database yet",
                "run `sima serve`, or set SIMA_DATA_DIR to the folder of the installation",
            )
            return
        yield from _check_rows(settings, database)
    except SimaError as error:
        yield problem(
            "database",
            str(error),
            "start the database, check SIMA_DATABASE_URL and the permissions of its file",
        )
    finally:
        database.close()


def _check_rows(settings: Settings, database: Database) -> Iterator[Finding]:
    with database.read() as session:
        schema = check_schema(session)
        yield ok("database", "reachable")
        yield schema
        yield from check_integrity(database, session)
        if schema.level != "ok":
            return
        yield check_times(session)
        yield from _guarded("encryption", lambda: check_keys(session))
        yield from _guarded("gallery", lambda: check_galleries(settings, session))
        yield from _guarded("people", lambda: check_people(session))
    yield from _guarded("index", lambda: check_indexes(settings, database))


def _guarded(subject: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """The findings of a check, or one that says why it failed."""
    try:
        return list(check())
    except (SimaError, OSError) as error:
        return [problem(subject, f"the check failed: {error}", "correct the cause and repeat it")]


def _missing(settings: Settings) -> bool:
    """Whether the SQLite file does not exist; to open it would create it."""
    file = sqlite_file(settings.effective_database_url)
    return file is not None and not file.exists()
