"""The `sima import` and `sima export` commands: many people, or whole galleries."""

import os
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
from app.crypto.signing import Signer
from app.faces.bulk import BulkEnroller, Report
from app.faces.enrollment import DEFAULT_COLLECTION
from app.faces.sources import find_photos
from app.settings import Settings
from app.store.archive import export_gallery, import_gallery
from app.store.archive_file import SUFFIX
from app.wiring.services import open_database


def bulk_import(
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
    report: Annotated[
        Path | None,
        typer.Option(help="A file of JSON lines; a repeated run skips the photos in it."),
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
    """Enroll many people, or import an archive; exit status 1 if a photo was not enrolled."""
    if path.suffix == SUFFIX:
        _import_archive(path, collection, signer, as_json)
        return
    report = report or Path(f"{path.resolve().name}.report.jsonl")
    with open_services() as services:
        photos = find_photos(path)
        written = Report(report)
        bulk = BulkEnroller(
            services.enroller,
            collection or DEFAULT_COLLECTION,
            "largest" if largest else face,
        )
        with progress_bar("photos", len(photos)) as advance:
            bulk.enroll(photos, written, threads or os.cpu_count() or 1, advance)
    outcomes = [written.outcomes[photo.key] for photo in photos]
    counts = Counter(outcome.code or outcome.outcome for outcome in outcomes)
    if as_json:
        print_json({"photos": len(outcomes), "outcomes": counts, "report": str(report)})
    else:
        print_table(("outcome", "photos"), counts.most_common())
        typer.echo(f"the outcome of every photo is in {report}")
    raise typer.Exit(0 if set(counts) <= {"enrolled"} else 1)


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
