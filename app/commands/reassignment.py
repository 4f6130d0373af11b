"""The commands `sima persons move-photo` and `merge`."""

from typing import Annotated

import typer

from app.api.schemas.persons import Person
from app.api.schemas.reassignment import MergedPerson, MovedPhoto
from app.commands.output import AsJson, open_services, print_model, usage_errors
from app.commands.person_options import ExternalId, MetadataText, parse_metadata
from app.faces.reassignment import MoveOrder
from app.store.people import NewPerson
from app.store.person_fields import require_valid_person

AllowMismatch = Annotated[
    bool, typer.Option("--allow-mismatch", help="Move templates even if they do not match.")
]


def move_photo(
    person_id: Annotated[str, typer.Argument(help="The person who has the template.")],
    template_id: Annotated[str, typer.Argument(help="The id that `persons photos` shows.")],
    to: Annotated[str | None, typer.Option(help="The id of the person who gets it.")] = None,
    name: Annotated[str | None, typer.Option(help="The name of a new person.")] = None,
    external_id: ExternalId = None,
    metadata: MetadataText = None,
    allow_mismatch: AllowMismatch = False,
    as_json: AsJson = False,
) -> None:
    """Move a template, with its photo, to another person of the collection or to a new one."""
    if (to is None) == (name is None):
        raise typer.BadParameter("pass either --to, or --name for a new person")
    if name is None and (external_id is not None or metadata is not None):
        raise typer.BadParameter("--external-id and --metadata are allowed with --name only")
    attributes = parse_metadata(metadata)
    with usage_errors():
        require_valid_person(name, external_id, attributes)
    other = to or NewPerson(str(name), external_id, attributes or {})
    with open_services() as services:
        person = services.reassigner.move(MoveOrder(person_id, template_id, other, allow_mismatch))
    if as_json:
        print_model(MovedPhoto(template_id=template_id, person=Person.of(person)))
    else:
        typer.echo(f"moved {template_id} to {person.person_id}")


def merge(
    person_id: Annotated[str, typer.Argument(help="The person to merge; it is deleted.")],
    into: Annotated[str, typer.Argument(help="The person who gets the templates.")],
    allow_mismatch: AllowMismatch = False,
    as_json: AsJson = False,
) -> None:
    """Move all templates of a person to another one, and delete the former."""
    with open_services() as services:
        merged = services.reassigner.merge(person_id, into, allow_mismatch)
    if as_json:
        print_model(MergedPerson.of_merge(merged))
        return
    typer.echo(f"moved {len(merged.moved)} templates to {merged.person.person_id}")
    typer.echo(f"deleted {person_id}; the erasure receipt is {merged.receipt.id}")
