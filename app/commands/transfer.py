"""The `sima import` and `sima export` commands: many people, or whole galleries."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from app.commands.output import (
    AsJson,
    exit_on_error,
    open_services,
    print_json,
    print_table,
    progress_bar,
)
from app.commands.people import Choice
from app.commands.setup import ensure_schema
from app.cores import available_cores
from app.crypto.signing import Signer
from app.errors import CollectionNotFound
from app.faces.bulk import BulkEnroller, ImportOrder, Report
from app.faces.enrollment import DEFAULT_COLLECTION
from app.faces.sources import find_photos
from app.settings import Settings
from app.store.archive import export_gallery, import_gallery
from app.store.archive_file import SUFFIX
from app.wiring.services import Services, open_database


def bulk_import(  # noqa: PLR0913, PLR0917 - the options of the command
    path: Annotated[
        Path,
        typer.Argument(
            help="A folder with a folder per person, a .csv (name,image,external_id,metadata), a "
            "CompreFace export (faces.json beside images), or a .sima archive."
        ),
    ],
    collection: Annotated[
        str | None,
        typer.Option(help="The gallery; that of the archive by default."),
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Create the gallery if it does not exist.")
    ] = False,
    import_id: Annotated[
        str | None,
        typer.Option(
            help="Identifies the source in repeated runs: new photos of a person whom an earlier "
            "run enrolled are added to that person. The path by default."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="A file of JSON lines, replaced by every run: what this run did with each photo."
        ),
    ] = None,
    face: Choice = "subject",
    largest: Annotated[bool, typer.Option(help="The same as --face largest.")] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="People processed in parallel.")
    ] = None,
    signer: Annotated[
        str | None, typer.Option(help="Public key of the installation that exported the archive.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enroll many people, or import an archive; exit status 1 if a photo is not enrolled.

    Photos that an earlier run enrolled are counted as enrolled_before while their templates exist;
    all others are tried again.
    """
    if path.suffix == SUFFIX:
        _import_archive(path, collection, signer, as_json)
        return
    report = report or Path(f"{path.resolve().name}.report.jsonl")
    with open_services() as services:
        photos = find_photos(path)
        order = ImportOrder(
            import_id or str(path.resolve()),
            _gallery(services, collection or DEFAULT_COLLECTION, create),
            "largest" if largest else face,
        )
        written = Report(report)
        bulk = BulkEnroller(services.enroller, services.database, order)
        with progress_bar("photos", len(photos)) as advance:
            bulk.enroll(photos, written, threads or available_cores(), advance)
    counts = Counter(outcome.code or outcome.outcome for outcome in written.outcomes)
    resembling = sum(outcome.possible_duplicate is not None for outcome in written.outcomes)
    if as_json:
        print_json(
            {
                "photos": len(photos),
                "outcomes": counts,
                "possible_duplicates": resembling,
                "report": str(report),
            }
        )
    else:
        print_table(("outcome", "photos"), counts.most_common())
        if resembling:
            typer.echo(
                f"enrolled photos that would also verify as another person: {resembling}; "
                "see possible_duplicate in the report"
            )
        typer.echo(f"the outcome of every photo is in {report}")
    raise typer.Exit(0 if set(counts) <= {"enrolled", "enrolled_before"} else 1)


def _gallery(services: Services, name: str, create: bool) -> str:
    """Returns the name of an existing or a new gallery of the active model.

    Raises CollectionNotFound, SpaceMismatch, and the errors of Galleries.create.
    """
    try:
        services.galleries.require_gallery(name)
    except CollectionNotFound as error:
        if not create:
            raise CollectionNotFound(f"{error}; use --create to create it") from error
        services.galleries.create(name)
    return name


def export(
    collection: Annotated[str, typer.Argument(help="The gallery.")],
    file: Annotated[Path, typer.Argument(help=f"The file to write; its name ends with {SUFFIX}.")],
    as_json: AsJson = False,
) -> None:
    """Write a gallery to a signed archive, which is encrypted if there are encryption keys."""
    with exit_on_error():
        settings = Settings()
        ensure_schema(settings)
        database = open_database(settings)
        try:
            manifest = export_gallery(database, collection, file, _signer(settings))
        finally:
            database.close()
    rows: dict[str, object] = {
        "people": manifest.people,
        "templates": manifest.templates,
        "sealed": manifest.sealed,
        "signer": manifest.signer,
    }
    _print_rows(rows, collection, as_json)


def _import_archive(file: Path, name: str | None, signer: str | None, as_json: bool) -> None:
    with exit_on_error():
        settings = Settings()
        ensure_schema(settings)
        database = open_database(settings)
        try:
            own = _signer(settings)
            manifest, collection = import_gallery(database, file, name, own, trusted=signer)
        finally:
            database.close()
    rows: dict[str, object] = {
        "collection": collection.name,
        "people": manifest.people,
        "templates": manifest.templates,
    }
    _print_rows(rows, "imported", as_json)


def _signer(settings: Settings) -> Signer:
    return Signer.load_or_create(settings.data_dir / "signing.key")


def _print_rows(rows: dict[str, object], title: str, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(("", title), list(rows.items()))
