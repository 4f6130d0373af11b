"""import and export on the command line: many people at once, whole galleries."""

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
from app.commands.setup import ensure_schema
from app.crypto.signing import Signer
from app.errors import InvalidArchive
from app.faces.bulk import BulkEnroller, Report
from app.faces.enrollment import DEFAULT_COLLECTION
from app.faces.sources import find_photos
from app.settings import Settings
from app.store.archive import read_archive, read_manifest, write_archive
from app.store.collections import get_collection
from app.store.db.tables import GALLERY
from app.wiring.services import open_database

ARCHIVE = ".sima"


def bulk_import(
    path: Annotated[
        Path,
        typer.Argument(
            help="A folder with a folder per person, a .csv (name,image,external_id,metadata), a "
            "CompreFace export (faces.json beside images), or a .sima archive."
        ),
    ],
    collection: Annotated[
        str | None, typer.Option(help="The gallery; an archive's own name when absent.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="One line of JSON a photo; a run that was stopped goes on from it."),
    ] = None,
    largest: Annotated[bool, typer.Option(help="Take the largest of several faces.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Photos at once.")] = None,
    signer: Annotated[
        str | None, typer.Option(help="Public key of the installation an archive comes from.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enroll many people, or take in a whole gallery. Exit status 1 if a photo was not enrolled."""
    if path.suffix == ARCHIVE:
        _import_archive(path, collection, signer, as_json)
        return
    report = report or Path(f"{path.resolve().name}.report.jsonl")
    with open_services() as services:
        photos = find_photos(path)
        kept = Report(report)
        bulk = BulkEnroller(
            services.enroller, collection or DEFAULT_COLLECTION, "largest" if largest else "only"
        )
        with progress_bar("photos", len(photos)) as advance:
            bulk.enroll(photos, kept, threads or os.cpu_count() or 1, advance)
    ours = [kept.known[photo.key] for photo in photos]
    counts = Counter(one.code or one.outcome for one in ours)
    if as_json:
        print_json({"photos": len(ours), "outcomes": counts, "report": str(report)})
    else:
        print_table(("outcome", "photos"), counts.most_common())
        typer.echo(f"every photo with its reason: {report}")
    raise typer.Exit(0 if set(counts) <= {"enrolled"} else 1)


def export(
    collection: Annotated[str, typer.Argument(help="The gallery.")],
    file: Annotated[Path, typer.Argument(help=f"Where to; ends with {ARCHIVE}.")],
    as_json: AsJson = False,
) -> None:
    """Write a gallery as one signed archive; sealed, where there are encryption keys."""
    with exit_on_error():
        settings = Settings()
        if file.suffix != ARCHIVE:
            raise InvalidArchive(f"the name of an archive ends with {ARCHIVE}")
        ensure_schema(settings)
        database = open_database(settings)
        with database.read() as session:
            found = get_collection(session, collection, GALLERY)
            manifest = write_archive(session, found, file, _own(settings))
        database.close()
    rows: dict[str, object] = {
        "people": manifest.people,
        "templates": manifest.templates,
        "sealed": manifest.sealed,
        "signer": manifest.signer,
    }
    _show(rows, collection, as_json)


def _import_archive(file: Path, name: str | None, signer: str | None, as_json: bool) -> None:
    with exit_on_error():
        settings = Settings()
        manifest = read_manifest(file)
        if manifest.signer not in (signer, _own(settings).public):
            raise InvalidArchive(
                f"it is signed by {manifest.signer}; if you know that one, say --signer"
            )
        ensure_schema(settings)
        database = open_database(settings)
        with database.write() as session:
            collection = read_archive(session, file, name)
        database.close()
    rows: dict[str, object] = {
        "collection": collection.name,
        "people": manifest.people,
        "templates": manifest.templates,
    }
    _show(rows, "imported", as_json)


def _own(settings: Settings) -> Signer:
    return Signer.load_or_create(settings.data_dir / "signing.key")


def _show(rows: dict[str, object], title: str, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(("", title), list(rows.items()))
