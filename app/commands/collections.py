"""The `sima collections` commands: list collections, migrate a gallery to another model.

`app.commands.decisions` has those about decisions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from app.api.schemas.collections import Collection, CollectionList
from app.commands.output import (
    AsJson,
    exit_on_error,
    print_json,
    print_model,
    print_table,
    progress_bar,
)
from app.commands.setup import ensure_schema
from app.faces.reembedding import GalleryMigration, MigrationStatus, ModelChange, ModelSwitch
from app.settings import Settings
from app.store.collections import list_collections
from app.store.db.database import Database
from app.wiring.services import open_database, open_pipeline, open_store

collections = typer.Typer(
    no_args_is_help=True, help="Create, show, calibrate and migrate collections."
)

Name = Annotated[str, typer.Argument(help="The gallery.")]
WithoutMissing = Annotated[
    bool,
    typer.Option(
        "--without-missing", help="Proceed even if people have no template of the other model."
    ),
]
_SHOWN = 20


@collections.command("list")
def show_collections(as_json: AsJson = False) -> None:
    """List every collection with its kind, model and size."""
    with _database() as database, database.read() as session:
        found = list_collections(session)
    if as_json:
        print_model(CollectionList(collections=[Collection.of(one) for one in found]))
    else:
        rows = [(c.name, c.kind, c.space.name, c.size) for c in found]
        print_table(("name", "kind", "model", "size"), rows)


@collections.command("migrate")
def migrate(
    name: Name,
    model: Annotated[str, typer.Option(help="A model in the models folder, or a path.")],
    as_json: AsJson = False,
) -> None:
    """Embed the stored photos with another model into a shadow collection.

    A running service is not affected. Repeat the command after further enrollments; `status` lists
    the people to photograph again.
    """
    with _migration() as (settings, migration):
        pipeline = open_pipeline(settings.model_copy(update={"face_model": model}))
        plan = migration.plan(name, pipeline.embedder.space)
        with progress_bar("photos", plan.photos) as advance:
            result = migration.embed_photos(plan, pipeline, advance)
    rows: dict[str, object] = {
        "model": plan.shadow.space.name,
        "embedded": result.embedded,
        "refused": dict(result.refused),
        "templates": result.templates,
        "people_missing": result.people_missing,
    }
    if as_json:
        print_json(rows)
    else:
        print_table(("", name), list(rows.items()))


@collections.command("status")
def status(name: Name, as_json: AsJson = False) -> None:
    """List the people to photograph again before a cut-over."""
    with _database() as database:
        found = ModelSwitch(database).status(name)
    if as_json:
        print_json(
            {
                "model": found.gallery.space.name,
                "shadow": found.shadow.space.name,
                "people": found.gallery.size,
                "missing": [
                    {"person_id": person.person_id, "name": person.name} for person in found.missing
                ],
            }
        )
    else:
        _print_status(found)


@collections.command("cut-over")
def cut_over(name: Name, without_missing: WithoutMissing = False, as_json: AsJson = False) -> None:
    """Replace the gallery by its shadow collection, in one transaction.

    Restart the service with the other model afterwards.
    """
    with _database() as database:
        _print_change(name, ModelSwitch(database).cut_over(name, without_missing), as_json)


@collections.command("roll-back")
def roll_back(name: Name, without_missing: WithoutMissing = False, as_json: AsJson = False) -> None:
    """Reverse a cut-over: restore the previous templates, in one transaction."""
    with _database() as database:
        _print_change(name, ModelSwitch(database).roll_back(name, without_missing), as_json)


@collections.command("discard")
def discard(name: Name, as_json: AsJson = False) -> None:
    """Delete the shadow collection. This cannot be undone."""
    with _migration() as (_, migration):
        deleted = migration.delete_shadow(name)
    if as_json:
        print_json({"collection": name, "discarded": deleted.space.name})
    else:
        typer.echo(f"{name}: deleted the templates of {deleted.space.name}")


def _print_change(name: str, change: ModelChange, as_json: bool) -> None:
    if as_json:
        print_json({"collection": name, "before": change.before, "model": change.after})
    else:
        typer.echo(
            f"{name} now uses {change.after} instead of {change.before}; "
            "run the service with that model"
        )


def _print_status(found: MigrationStatus) -> None:
    typer.echo(
        f"{len(found.missing)} of {found.gallery.size} people have no template of "
        f"{found.shadow.space.name}; the gallery uses {found.gallery.space.name}"
    )
    rows = [(person.person_id, person.name) for person in found.missing[:_SHOWN]]
    if rows:
        print_table(("person", "to photograph again"), rows)
    if len(found.missing) > _SHOWN:
        typer.echo(f"and {len(found.missing) - _SHOWN} more; --json lists all of them")


@contextmanager
def _migration() -> Iterator[tuple[Settings, GalleryMigration]]:
    with exit_on_error():
        settings = Settings()
        ensure_schema(settings)
        database, index_sync = open_store(settings)
        try:
            yield settings, GalleryMigration(database, index_sync)
        finally:
            index_sync.close()
            database.close()


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
