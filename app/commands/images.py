"""The `sima detect` and `embed` commands."""

from collections.abc import Sequence
from typing import Annotated

import typer

from app.api.schemas.faces import Detected, Embedded
from app.commands.output import AsJson, open_services, print_model, print_table
from app.commands.people import Photo
from app.faces.audit_events import embedding_events
from app.faces.pipeline.selection import FaceSelection
from app.faces.pipeline.types import Face
from app.timings import Timings

_COLUMNS = ("face", "x", "y", "width", "height", "score", "quality", "reasons")


def detect(file: Photo, as_json: AsJson = False) -> None:
    """Detect every face of a photo, largest first. A photo without a face is not an error."""
    with open_services() as services:
        analysis = services.pipeline.analyze(file.read_bytes(), Timings())
    if as_json:
        print_model(Detected.of(analysis))
    else:
        _print_faces(analysis.faces)


def embed(
    file: Photo,
    faces: Annotated[
        FaceSelection,
        typer.Option("--faces", help="all; subject: the most prominent face; largest."),
    ] = "largest",
    as_json: AsJson = False,
) -> None:
    """Embed faces of a photo, largest first; --json prints the embeddings."""
    with open_services() as services:
        found = services.recognizer.embed(file.read_bytes(), faces, Timings())
        services.database.record(*embedding_events(found))
        model = services.embedder.space.name
    if as_json:
        print_model(Embedded.of(found, model))
    else:
        _print_faces([one.face for one in found])


def _print_faces(faces: Sequence[Face]) -> None:
    if not faces:
        typer.echo("the photo shows no face")
        return
    rows = []
    for number, face in enumerate(faces, start=1):
        box, quality = face.detection.box, face.quality
        place = [round(value) for value in (box.x, box.y, box.width, box.height)]
        reasons = ", ".join(reason.code for reason in quality.reasons)
        rows.append((number, *place, face.detection.score, quality.score, reasons))
    print_table(_COLUMNS, rows)
