"""The commands `sima persons not-this`, `rejections` and `delete-rejection`."""

from pathlib import Path
from typing import Annotated

import typer

from app.api.schemas import rejections as schemas
from app.api.schemas.detections import Face
from app.commands.output import AsJson, open_services, print_model, print_table
from app.commands.people import Choice, Rotate
from app.faces.probes import TemplateSample
from app.timings import Timings

_Person = Annotated[str, typer.Argument(help="The id that `persons list` shows.")]


def not_this(
    person_id: _Person,
    file: Annotated[Path | None, typer.Argument(help="A photo of somebody else.")] = None,
    template_id: Annotated[
        str | None, typer.Option(help="A template of somebody else, in place of the photo.")
    ] = None,
    face: Choice = "subject",
    rotate: Rotate = False,
    as_json: AsJson = False,
) -> None:
    """Record that a face is not this person, so that the two are never a match again."""
    if (file is None) == (template_id is None):
        raise typer.BadParameter("pass either a photo or --template-id")
    with open_services() as services:
        sample = TemplateSample(template_id) if template_id else Path(str(file)).read_bytes()
        rejected = services.rejecter.examine(person_id, sample, face, Timings(), rotate)
        stored = services.rejecter.reject(rejected)
    if as_json:
        found = Face.of(rejected.face) if rejected.face else None
        fields = schemas.Rejection.of(stored).model_dump()
        print_model(schemas.CreatedRejection(**fields, face=found))
    else:
        typer.echo(f"recorded {stored.rejection_id}")


def list_rejections(person_id: _Person, as_json: AsJson = False) -> None:
    """List the faces that are not this person, oldest first."""
    with open_services() as services:
        found = services.rejecter.list(person_id)
    if as_json:
        listed = [schemas.Rejection.of(one) for one in found]
        print_model(schemas.RejectionList(rejections=listed))
    else:
        rows = [
            (r.rejection_id, r.template_id or "a photo", f"{r.created_at:%Y-%m-%d %H:%M}")
            for r in found
        ]
        print_table(("rejection_id", "template_id", "recorded"), rows)


def delete_rejection(
    person_id: _Person,
    rejection_id: Annotated[str, typer.Argument(help="The id that `persons rejections` shows.")],
) -> None:
    """Delete a rejection: the face may match this person again."""
    with open_services() as services:
        services.rejecter.delete(person_id, rejection_id)
    typer.echo(f"deleted {rejection_id}")
