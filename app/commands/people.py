"""The `sima enroll`, `identify`, `verify` and `persons` commands."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.decisions import TargetFmr, TargetFpir, Threshold
from app.commands.output import AsJson, exit_on_error, open_services, print_json, print_table
from app.faces.decisions.options import DecisionOptions
from app.faces.enrollment import DEFAULT_COLLECTION, EnrollOrder
from app.faces.pipeline.selection import FaceChoice, FaceSelection
from app.faces.recognition import IdentifyOrder
from app.timings import Timings

persons = typer.Typer(no_args_is_help=True, help="List and delete enrolled people.")

Photo = Annotated[Path, typer.Argument(help="A JPEG, PNG or WebP photo.")]
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


def enroll(
    file: Photo,
    name: Annotated[str | None, typer.Option(help="The person's name.")] = None,
    collection: Gallery = DEFAULT_COLLECTION,
    person_id: Annotated[
        str | None, typer.Option(help="Add the photo to this person, whom it must match.")
    ] = None,
    face: Choice = "subject",
    allow_duplicate: Annotated[
        bool, typer.Option(help="Enroll the face even if it matches another person.")
    ] = False,
    allow_mismatch: Annotated[
        bool, typer.Option(help="Add the photo even if it does not match the person.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Enroll a person from one photo, or add a photo to a known person.

    The face must be of sufficient quality and match no other person. With --face subject, a photo
    in which a second face has at least half the subject's area is refused.
    """
    order = EnrollOrder(
        name=name,
        collection=collection,
        person_id=person_id,
        external_id=None,
        metadata={},
        face=face,
        allow_duplicate=allow_duplicate,
        allow_mismatch=allow_mismatch,
        dry_run=False,
    )
    with open_services() as services:
        done = services.enroller.enroll(file.read_bytes(), order, Timings())
    enrolled_id = done.person.person_id if done.person else ""
    resembled = done.possible_duplicate.person if done.possible_duplicate else None
    if as_json:
        print_json(
            {
                "person_id": enrolled_id,
                "name": done.name,
                "collection": collection,
                "possible_duplicate": resembled.person_id if resembled else None,
            }
        )
        return
    typer.echo(f"enrolled {done.name} as {enrolled_id} in {collection}")
    if resembled is not None:
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
    rotate: Annotated[
        bool,
        typer.Option("--rotate", help="Examine a photo without a face in three more orientations."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Identify the people in a photo: match, unknown or ambiguous for each face.

    A photo without a face is not an error.
    """
    with exit_on_error():
        options = DecisionOptions(target_fpir=target_fpir, threshold=threshold)
    order = IdentifyOrder(collection, top_k, options, faces, rotate)
    with open_services() as services:
        result = services.recognizer.identify(file.read_bytes(), order, Timings())
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
    if as_json:
        keys = ("face", "decision", "name", "similarity", "threshold", "person_id")
        print_json(
            {
                "threshold": result.threshold,
                "target_fpir": result.target_fpir,
                "faces": [face.decision for face in result.faces],
                "candidates": [dict(zip(keys, row, strict=True)) for row in rows],
            }
        )
    elif not result.faces:
        typer.echo("the photo shows no face")
    else:
        print_table(("face", "decision", "nearest", "similarity", "threshold", "person_id"), rows)
        typer.echo(
            f"an average pair needs {result.threshold:.4f} in a gallery of "
            f"{result.gallery_size} people"
        )


def verify(
    a: Photo,
    b: Photo,
    target_fmr: TargetFmr = None,
    threshold: Threshold = None,
    face: Choice = "subject",
    as_json: AsJson = False,
) -> None:
    """Compare the people in two photos; exit status 0 for a match, 2 for no match."""
    with exit_on_error():
        options = DecisionOptions(target_fmr=target_fmr, threshold=threshold)
    with open_services() as services:
        verification = services.recognizer.verify_photos(
            a.read_bytes(), b.read_bytes(), face, options, Timings()
        )
    result = verification.judgement
    if as_json:
        print_json(
            {
                "verified": result.matches,
                "similarity": result.similarity,
                "threshold": result.threshold,
                "target_fmr": verification.target_fmr,
                "estimated_fmr": result.estimated_fmr,
            }
        )
    else:
        word = "match" if result.matches else "no match"
        typer.echo(f"{word}: similarity {result.similarity:.4f}, threshold {result.threshold:.4f}")
    raise typer.Exit(0 if result.matches else 2)


@persons.command("list")
def list_persons(collection: Gallery = DEFAULT_COLLECTION, as_json: AsJson = False) -> None:
    """List the people of a gallery in order of enrollment."""
    with open_services() as services:
        found, after = [], 0
        while page := services.galleries.persons(collection, None, None, after, 500):
            found += page
            after = page[-1].row_id
    if as_json:
        print_json([{"person_id": p.person_id, "name": p.name, "photos": p.photos} for p in found])
    else:
        rows = [(p.person_id, p.name, p.photos, f"{p.created_at:%Y-%m-%d %H:%M}") for p in found]
        print_table(("person_id", "name", "photos", "enrolled"), rows)


@persons.command("delete")
def delete_person(
    person_id: Annotated[str, typer.Argument(help="The id that `persons list` shows.")],
    as_json: AsJson = False,
) -> None:
    """Delete a person with all templates and photos."""
    with open_services() as services:
        services.galleries.delete(person_id)
    if as_json:
        print_json({"deleted": person_id})
    else:
        typer.echo(f"deleted {person_id}")
