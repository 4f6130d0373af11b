"""The `sima enroll`, `identify` and `verify` commands."""

from pathlib import Path
from typing import Annotated

import typer

from app.api.schemas.enrollment import Enrolled
from app.api.schemas.faces import Identified, Verified
from app.commands.decisions import TargetFmr, TargetFpir, Threshold
from app.commands.output import AsJson, open_services, print_model, print_table, usage_errors
from app.commands.person_options import ExternalId, MetadataText, parse_metadata
from app.faces.audit_events import identification_events, verification_events
from app.faces.decisions.options import DecisionOptions
from app.faces.enrollment import DEFAULT_COLLECTION, EnrollOrder
from app.faces.pipeline.selection import FaceChoice, FaceSelection
from app.faces.recognition import Identification, IdentifyOrder
from app.timings import Timings

Photo = Annotated[Path, typer.Argument(help="An image file, such as a JPEG.")]
Gallery = Annotated[str, typer.Option("--collection", help="The gallery.")]
Choice = Annotated[
    FaceChoice,
    typer.Option(
        "--face",
        help="subject: the most prominent face; largest; only: fail if there are several.",
    ),
]
Selection = Annotated[
    FaceSelection,
    typer.Option("--faces", help="all; subject: the most prominent face; largest."),
]

Rotate = Annotated[
    bool,
    typer.Option("--rotate", help="Examine a photo without a face in three more orientations."),
]


def enroll(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    file: Photo,
    name: Annotated[str | None, typer.Option(help="The person's name.")] = None,
    collection: Gallery = DEFAULT_COLLECTION,
    person_id: Annotated[
        str | None, typer.Option(help="Add the photo to this person, whom it must match.")
    ] = None,
    external_id: ExternalId = None,
    metadata: MetadataText = None,
    face: Choice = "subject",
    rotate: Rotate = False,
    allow_duplicate: Annotated[
        bool, typer.Option(help="Enroll the face even if it matches another person.")
    ] = False,
    allow_mismatch: Annotated[
        bool, typer.Option(help="Add the photo even if it does not match the person.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run every check and store nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Enroll a person from one photo, or add a photo to a known person.

    The face must be of sufficient quality and match no other person. With --face subject, a photo
    in which a second face has at least half the subject's area is refused.
    """
    if person_id is not None and (external_id is not None or metadata is not None):
        raise typer.BadParameter(
            "--external-id and --metadata are not allowed with --person-id; use persons change"
        )
    order = EnrollOrder(
        name=name,
        collection=collection,
        person_id=person_id,
        external_id=external_id,
        metadata=parse_metadata(metadata) or {},
        face=face,
        allow_duplicate=allow_duplicate,
        allow_mismatch=allow_mismatch,
        dry_run=dry_run,
        rotate=rotate,
    )
    with open_services() as services:
        done = services.enroller.enroll(file.read_bytes(), order, Timings())
        model = services.embedder.space.name
    if as_json:
        print_model(Enrolled.of(done, collection, model))
        return
    if done.template is None:
        typer.echo(f"{done.name} could be enrolled in {collection}; nothing was stored")
    elif done.person is not None:
        typer.echo(f"enrolled {done.name} as {done.person.person_id} in {collection}")
    if done.possible_duplicate is not None:
        resembled = done.possible_duplicate.person
        typer.echo(f"the photo would also verify as {resembled.name} ({resembled.person_id})")


def identify(
    file: Photo,
    collection: Gallery = DEFAULT_COLLECTION,
    top_k: Annotated[
        int, typer.Option(min=1, max=100, help="Number of nearest people per face.")
    ] = 5,
    target_fpir: TargetFpir = None,
    threshold: Threshold = None,
    faces: Selection = "all",
    rotate: Rotate = False,
    as_json: AsJson = False,
) -> None:
    """Identify the people in a photo: match, unknown or ambiguous for each face.

    A photo without a face is not an error.
    """
    with usage_errors():
        options = DecisionOptions(target_fpir=target_fpir, threshold=threshold)
    order = IdentifyOrder(collection, top_k, options, faces, rotate)
    with open_services() as services:
        result = services.recognizer.identify(file.read_bytes(), order, Timings())
        result = services.visitors.recognise(result, collection)
        services.database.record(*identification_events(result, collection))
        model = services.embedder.space.name
    if as_json:
        print_model(Identified.of(result, model))
    elif not result.faces:
        typer.echo("the photo shows no face")
    else:
        _print_candidates(result)
        typer.echo(
            f"an average pair needs {result.threshold:.4f} in a gallery of "
            f"{result.gallery_size} people"
        )


def _print_candidates(result: Identification) -> None:
    rows = [
        (
            number,
            face.decision,
            found.person.name,
            found.judgement.similarity,
            found.judgement.threshold,
            found.person.person_id,
        )
        for number, face in enumerate(result.faces, start=1)
        for found in face.candidates
    ]
    print_table(("face", "decision", "nearest", "similarity", "threshold", "person_id"), rows)


def verify(
    a: Photo,
    b: Photo,
    target_fmr: TargetFmr = None,
    threshold: Threshold = None,
    face: Choice = "subject",
    rotate: Rotate = False,
    as_json: AsJson = False,
) -> None:
    """Compare the people in two photos; exit status 0: match, 1: no match, 2: error."""
    with usage_errors():
        options = DecisionOptions(target_fmr=target_fmr, threshold=threshold)
    with open_services(error_status=2) as services:
        verification = services.recognizer.verify_pair(
            a.read_bytes(), b.read_bytes(), face, options, Timings(), rotate=rotate
        )
        services.database.record(*verification_events(verification))
        model = services.embedder.space.name
    result = verification.judgement
    if as_json:
        print_model(Verified.of(verification, model))
    else:
        word = "match" if result.matches else "no match"
        typer.echo(f"{word}: similarity {result.similarity:.4f}, threshold {result.threshold:.4f}")
    raise typer.Exit(0 if result.matches else 1)
