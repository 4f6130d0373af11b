"""index and db on the command line."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.commands.output import AsJson, exit_on_error, open_services, print_json, print_table
from app.commands.setup import ensure_schema
from app.settings import Settings
from app.store.collections import indexed_collections
from app.store.db.schema import downgrade, upgrade
from app.wiring.services import open_database, open_store

index = typer.Typer(no_args_is_help=True, help="Compare indexes with the store, mend them.")
db = typer.Typer(no_args_is_help=True, help="The database schema.")


@index.command("check")
def check_index(as_json: AsJson = False) -> None:
    """Hold every index against the journal and the tables; exit status 1 if one differs.

    `behind` are journal rows that were not applied yet, which the next search does; templates that
    are missing, that should not be there, or that have another vector are mended by `rebuild`.
    """
    with exit_on_error():
        settings = Settings()
        ensure_schema(settings)
        database, index_sync = open_store(settings)
        with database.read() as session:
            known = indexed_collections(session)
        found = {c.name: index_sync.compare(database, c) for c in known}
        index_sync.close()
        database.close()
    rows = [{"collection": name, **asdict(difference)} for name, difference in found.items()]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    raise typer.Exit(0 if all(difference.level for difference in found.values()) else 1)


@index.command("rebuild")
def rebuild_index(as_json: AsJson = False) -> None:
    """Read every template again, in a running service, too, and write fresh snapshots."""
    with open_services() as services:
        with services.database.read() as session:
            known = indexed_collections(session)
        rows = [(c.name, services.index_sync.rebuild(services.database, c)) for c in known]
    if as_json:
        print_json([{"collection": name, "indexed": count} for name, count in rows])
    else:
        print_table(("collection", "indexed"), rows)


@db.command("upgrade")
def upgrade_schema(
    revision: Annotated[str, typer.Argument(help="A revision, or head.")] = "head",
    as_json: AsJson = False,
) -> None:
    """Run the migrations that are missing."""
    _migrate(revision, as_json, up=True)


@db.command("downgrade")
def downgrade_schema(
    revision: Annotated[str, typer.Argument(help="A revision, or base.")], as_json: AsJson = False
) -> None:
    """Go back to an older schema; what the newer one added is lost."""
    _migrate(revision, as_json, up=False)


def _migrate(revision: str, as_json: bool, up: bool) -> None:
    with exit_on_error():
        database = open_database(Settings())
        (upgrade if up else downgrade)(database, revision)
        database.close()
    if as_json:
        print_json({"revision": revision})
    else:
        typer.echo(f"the schema is at {revision}")
