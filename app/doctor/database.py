"""Checks the database: reachable, intact, with the current schema, and no times in the future."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.doctor.findings import Finding, ok, problem, warning
from app.store.db.database import Database
from app.store.db.schema import current_revision, newest_revision
from app.store.db.tables import CollectionRow, EntryRow, ErasureRow, TemplateRow, now

_TOLERANCE = timedelta(minutes=5)
_TIMES: dict[str, InstrumentedAttribute[object]] = {
    "collections": CollectionRow.created_at,
    "people": EntryRow.created_at,
    "templates": TemplateRow.created_at,
    "erasures": ErasureRow.erased_at,
}


def check_schema(session: Session) -> Finding:
    """Compares the schema with the one of this version. Other checks need the current one."""
    found, newest = current_revision(session), newest_revision()
    if found == newest:
        return ok("schema", f"the schema has the revision {found}")
    if found is None:
        return problem("schema", "the database has no schema", "run `sima db upgrade`")
    return problem(
        "schema",
        f"the schema has the revision {found}, this version needs {newest}",
        "run `sima db upgrade`; if a newer version wrote the database, install that version",
    )


def check_integrity(database: Database, session: Session) -> Iterator[Finding]:
    """Runs SQLite's check of the file; PostgreSQL has none."""
    if not database.is_sqlite:
        return
    found = str(session.scalar(text("PRAGMA quick_check(1)")))
    if found == "ok":
        yield ok("database", "SQLite's check found no damage")
    else:
        yield problem("database", f"the file is damaged: {found}", "restore a backup")


def check_times(session: Session) -> Finding:
    """Compares the latest stored times with the clock."""
    limit = now() + _TOLERANCE
    future = {}
    for name, column in _TIMES.items():
        latest = session.scalar(select(func.max(column)))
        if latest is not None and latest > limit:
            future[name] = latest
    if not future:
        return ok("clock", "no stored time is in the future")
    listed = ", ".join(f"{name} ({latest:%Y-%m-%d %H:%M} UTC)" for name, latest in future.items())
    return warning(
        "clock",
        f"stored times are in the future: {listed}; the clock says {now():%Y-%m-%d %H:%M} UTC",
        "set the clock, for example with NTP; if it was wrong before and is right now, nothing is "
        "to be done",
    )
