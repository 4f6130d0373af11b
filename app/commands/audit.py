"""`sima audit`: verify, export and prune the log of who did what."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
import typer

from app.audit_events import AuditEvent
from app.commands.output import AsJson, exit_on_error, print_json
from app.commands.setup import ensure_schema
from app.errors import InvalidRequest
from app.errors_access import AuditLogDamaged
from app.settings import Settings
from app.store.audit_log import AuditFilter, AuditLog, Chain, Link
from app.store.db.database import Database
from app.wiring.services import open_database

audit = typer.Typer(no_args_is_help=True, help="Verify, export and prune the audit log.")

Time = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="A time in UTC."),
]


@audit.command("verify")
def verify(
    head: Annotated[
        str | None,
        typer.Option(help="What `sima audit head` printed earlier: that event must still exist."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the hash of every event; exit status 1 and the first bad event if one differs.

    The service may be running.
    """
    with _database() as database:
        log = AuditLog(database)
        try:
            chain = log.verify(Link.parse(head) if head else None)
        except AuditLogDamaged as damaged:
            if as_json:
                print_json({"intact": False, "sequence": damaged.sequence, "reason": str(damaged)})
            else:
                typer.echo(f"{damaged.code}: {damaged}", err=True)
            raise typer.Exit(1) from damaged
    if as_json:
        print_json({"intact": True, **_as_json(chain)})
    else:
        count = chain.head.sequence - chain.pruned.sequence
        typer.echo(f"intact: {count} events, {chain.pruned.sequence} pruned; head {chain.head}")


@audit.command("head")
def head(as_json: AsJson = False) -> None:
    """Print number and hash of the last event, to be noted where this machine cannot change it.

    `sima audit verify --head` shows later whether the log up to that event is still the same.
    """
    with _database() as database:
        chain = AuditLog(database).chain()
    if as_json:
        print_json(_as_json(chain))
    else:
        typer.echo(str(chain.head))


@audit.command("export")
def export(
    since: Time = None,
    until: Time = None,
    collection: Annotated[
        str | None, typer.Option(help="Events of one gallery or vocabulary.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="Events with one action, such as enroll or photo.read.")
    ] = None,
) -> None:
    """Print events as JSON lines, oldest first. The export is an event itself."""
    wanted = AuditFilter(_utc(since), _utc(until), collection, action)
    with _database() as database:
        database.record(AuditEvent("audit.export", "exported"))
        stream = typer.get_binary_stream("stdout")
        for entry in AuditLog(database).entries(wanted):
            stream.write(orjson.dumps(entry.content(), option=orjson.OPT_APPEND_NEWLINE))
        stream.flush()


@audit.command("prune")
def prune(
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Keep the events of these days (default: SIMA_AUDIT_DAYS)."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Delete expired events without verifying them before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old events; the others can still be verified. A running service does it every day."""
    with _database() as database:
        days = days or Settings().audit_days
        if not days:
            raise InvalidRequest(
                "days", "SIMA_AUDIT_DAYS is 0, so events never expire; pass --days"
            )
        before = datetime.now(UTC) - timedelta(days=days)
        count = AuditLog(database).prune(before, checked=not force)
    if as_json:
        print_json({"pruned": count})
    else:
        typer.echo(f"deleted {count} events")


@contextmanager
def _database() -> Iterator[Database]:
    with exit_on_error():
        settings = Settings()
        ensure_schema(settings)
        database = open_database(settings)
        try:
            yield database
        finally:
            database.close()


def _as_json(chain: Chain) -> dict[str, object]:
    return {
        "head": str(chain.head),
        "events": chain.head.sequence - chain.pruned.sequence,
        "pruned": chain.pruned.sequence,
    }


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)
