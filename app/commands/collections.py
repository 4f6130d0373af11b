"""collections on the command line: look at them, move a gallery to another model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from app.commands.output import AsJson, print_json, print_table, progress_bar, refusals
from app.commands.setup import ensure_schema
from app.faces.reembedding import Standing, begin, change_over, embed_kept_photos, standing
from app.settings import Settings
from app.store.collections import collection_by_id, list_collections
from app.store.db.database import Database
from app.store.shadow import discard_counterpart
from app.wiring.services import open_database, open_pipeline, open_store

collections = typer.Typer(
    no_args_is_help=True, help="Galleries and vocabularies; move a gallery to another model."
)

Name = Annotated[str, typer.Argument(help="The gallery.")]
WithoutMissing = Annotated[
    bool, typer.Option("--without-missing", help="Even if somebody has no template there.")
]
_SHOWN = 20


@collections.command("list")
def show_collections(as_json: AsJson = False) -> None:
    """Every collection with its model."""
    with _database() as database, database.read() as session:
        rows = [(c.name, c.kind, c.space.name, c.size) for c in list_collections(session)]
    keys = ("name", "kind", "model", "size")
    if as_json:
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print_table(keys, rows)


@collections.command("migrate")
def migrate(
    name: Name,
    model: Annotated[str, typer.Option(help="A model in the models folder, or a path.")],
    as_json: AsJson = False,
) -> None:
    """Embed kept photos with another model, beside a running service; nothing changes for it.

    Run it again after more people were enrolled. `status` says who must be photographed again.
    """
    with refusals():
        settings = Settings()
        ensure_schema(settings)
        pipeline = open_pipeline(settings.model_copy(update={"face_model": model}))
        database, projection = open_store(settings)
        begun = begin(database, name, pipeline.embedder.space)
        with progress_bar("photos", begun.photos) as advance:
            done = embed_kept_photos(database, pipeline, begun, advance)
        with database.read() as session:  # so that a cut-over finds the index level
            counterpart = collection_by_id(session, begun.counterpart.row_id)
            indexed = projection.size(session, counterpart)
        projection.close()
        database.close()
    rows: dict[str, object] = {
        "model": begun.counterpart.space.name,
        "embedded": done.embedded,
        "refused": dict(done.refused),
        "templates": indexed,
        "people_missing": done.missing,
    }
    if as_json:
        print_json(rows)
    else:
        print_table(("", name), list(rows.items()))


@collections.command("status")
def status(name: Name, as_json: AsJson = False) -> None:
    """Who must be photographed again before the other model can find everybody."""
    with _database() as database:
        found = standing(database, name)
    if as_json:
        print_json(
            {
                "model": found.gallery.space.name,
                "counterpart": found.counterpart.space.name,
                "people": found.gallery.size,
                "missing": [
                    {"person_id": one.person_id, "name": one.name} for one in found.missing
                ],
            }
        )
    else:
        _show(found)


@collections.command("cut-over")
def cut_over(name: Name, without_missing: WithoutMissing = False, as_json: AsJson = False) -> None:
    """Let the other model's templates answer, in one transaction; serve that model from then on."""
    _change(name, without_missing, as_json)


@collections.command("roll-back")
def roll_back(name: Name, without_missing: WithoutMissing = False, as_json: AsJson = False) -> None:
    """Undo a cut-over: the templates of before answer again, in one transaction."""
    _change(name, without_missing, as_json)


@collections.command("discard")
def discard(name: Name, as_json: AsJson = False) -> None:
    """Delete the templates that do not answer; there is no way back then."""
    with refusals():
        settings = Settings()
        ensure_schema(settings)
        database, projection = open_store(settings)
        with database.write() as session:
            gone = discard_counterpart(session, name)
        projection.forget(gone)
        projection.close()
        database.truncate_wal()
        database.close()
    rows = {"collection": name, "discarded": gone.space.name}
    if as_json:
        print_json(rows)
    else:
        typer.echo(f"{name}: the templates of {gone.space.name} are gone")


def _change(name: str, without_missing: bool, as_json: bool) -> None:
    with _database() as database:
        before, after = change_over(database, name, without_missing)
    if as_json:
        print_json({"collection": name, "before": before, "model": after})
    else:
        typer.echo(f"{name} is on {after} now, not on {before}; serve it with that model")


def _show(found: Standing) -> None:
    rows = [(one.person_id, one.name) for one in found.missing[:_SHOWN]]
    typer.echo(
        f"{len(found.missing)} of {found.gallery.size} people have no template of "
        f"{found.counterpart.space.name}; {found.gallery.space.name} answers"
    )
    if rows:
        print_table(("person", "to be photographed again"), rows)
    if len(found.missing) > _SHOWN:
        typer.echo(f"and {len(found.missing) - _SHOWN} more; --json has all of them")


@contextmanager
def _database() -> Iterator[Database]:
    with refusals():
        settings = Settings()
        ensure_schema(settings)
        database = open_database(settings)
        try:
            yield database
        finally:
            database.close()
