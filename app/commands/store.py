"""index and db on the command line."""

from typing import Annotated

import typer

from app.commands.output import AsJson, open_services, print_json, print_table, refusals
from app.settings import Settings
from app.store.collections import indexed_collections
from app.store.migrate import downgrade, upgrade
from app.store.projection import count_templates
from app.wiring import open_database

index = typer.Typer(no_args_is_help=True, help="Compare indexes with the store, mend them.")
db = typer.Typer(no_args_is_help=True, help="The database schema.")


@index.command("check")
def check_index(as_json: AsJson = False) -> None:
    """Compare every index with the store; exit status 1 if one differs."""
    with open_services() as services, services.database.read() as session:
        rows = [
            (c.name, count_templates(session, c), services.projection.size(session, c))
            for c in indexed_collections(session)
        ]
    keys = ("collection", "stored", "indexed")
    if as_json:
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print_table(keys, rows)
    raise typer.Exit(0 if all(stored == indexed for _, stored, indexed in rows) else 1)


@index.command("rebuild")
def rebuild_index(as_json: AsJson = False) -> None:
    """Read every template again and write fresh snapshots."""
    with open_services() as services, services.database.read() as session:
        rows = [
            (c.name, services.projection.rebuild(session, c)) for c in indexed_collections(session)
        ]
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
    with refusals():
        database = open_database(Settings())
        (upgrade if up else downgrade)(database, revision)
        database.close()
    if as_json:
        print_json({"revision": revision})
    else:
        typer.echo(f"the schema is at {revision}")
