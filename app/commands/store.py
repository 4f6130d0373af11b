"""The `sima index` and `sima db` commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from app.commands.output import AsJson, exit_on_error, open_services, print_json, print_table
from app.commands.setup import ensure_schema
from app.settings import Settings
from app.store.db.schema import downgrade, upgrade
from app.store.index_check import IndexCheck
from app.wiring.services import open_database, open_store

index = typer.Typer(no_args_is_help=True, help="Compare the indexes with the store; rebuild them.")
db = typer.Typer(no_args_is_help=True, help="Upgrade or downgrade the database schema.")


@index.command("check")
def check_index(as_json: AsJson = False) -> None:
    """Compare every index with the database; exit status 1 if one differs.

    `behind` is the number of pending journal rows, which the next search applies. If templates are
    missing, extra or changed, run `sima index rebuild`.
    """
    with _index_check() as check:
        differences = check.compare_all()
    rows = [{"collection": name, **asdict(found)} for name, found in differences.items()]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    raise typer.Exit(0 if all(found.equal for found in differences.values()) else 1)


@index.command("rebuild")
def rebuild_index(as_json: AsJson = False) -> None:
    """Rebuild every index from the database, also in a running service."""
    with open_services() as services:
        rebuilt = IndexCheck(services.database, services.index_sync).rebuild_all()
    rows = list(rebuilt.items())
    if as_json:
        print_json([{"collection": name, "indexed": count} for name, count in rows])
    else:
        print_table(("collection", "indexed"), rows)


@db.command("upgrade")
def upgrade_schema(
    revision: Annotated[str, typer.Argument(help="A revision, or head.")] = "head",
    as_json: AsJson = False,
) -> None:
    """Upgrade the schema to a revision."""
    _migrate(revision, as_json, up=True)


@db.command("downgrade")
def downgrade_schema(
    revision: Annotated[str, typer.Argument(help="A revision, or base.")], as_json: AsJson = False
) -> None:
    """Downgrade the schema to a revision; data of dropped tables and columns is deleted."""
    _migrate(revision, as_json, up=False)


@contextmanager
def _index_check() -> Iterator[IndexCheck]:
    with exit_on_error():
        settings = Settings()
        ensure_schema(settings)
        database, index_sync = open_store(settings)
        try:
            yield IndexCheck(database, index_sync)
        finally:
            index_sync.close()
            database.close()


def _migrate(revision: str, as_json: bool, up: bool) -> None:
    with exit_on_error():
        database = open_database(Settings())
        (upgrade if up else downgrade)(database, revision)
        database.close()
    if as_json:
        print_json({"revision": revision})
    else:
        typer.echo(f"the schema is at revision {revision}")
