"""The `sima persons` commands: list, show, change and delete people and their photos."""

from typing import Annotated, Any

import typer

from app.api.schemas.persons import ErasureReceipt, Person, PersonPage, Photo, PhotoList
from app.commands.output import (
    AsJson,
    open_services,
    print_model,
    print_table,
    usage_errors,
)
from app.commands.people import Gallery
from app.commands.person_options import ExternalId, MetadataText, parse_metadata
from app.faces.enrollment import DEFAULT_COLLECTION
from app.store import people
from app.store.person_fields import require_valid_person
from app.store.person_search import PersonSearch

persons = typer.Typer(no_args_is_help=True, help="List, show, change and delete people.")

PersonId = Annotated[str, typer.Argument(help="The id that `persons list` shows.")]
_PAGE = 500


@persons.command("list")
def list_persons(
    collection: Gallery = DEFAULT_COLLECTION,
    name: Annotated[str | None, typer.Option(help="The beginning of the name.")] = None,
    part: Annotated[str | None, typer.Option("--q", help="Any part of the name.")] = None,
    external_id: ExternalId = None,
    as_json: AsJson = False,
) -> None:
    """List the people of a gallery in order of enrollment. Names are compared without case."""
    search = PersonSearch(name, part, external_id)
    with open_services() as services:
        found, crops = list[people.Person](), dict[str, str]()
        after: int | None = 0
        while after is not None:
            page = services.galleries.page(collection, search, after, _PAGE)
            found += page.people
            crops |= page.crops
            after = page.next_after
    if as_json:
        listed = [Person.of(person) for person in found]
        print_model(PersonPage(persons=listed, crops=crops, next_cursor=None))
    else:
        rows = [(p.person_id, p.name, p.photos, f"{p.created_at:%Y-%m-%d %H:%M}") for p in found]
        print_table(("person_id", "name", "photos", "enrolled"), rows)


@persons.command("show")
def show_person(person_id: PersonId, as_json: AsJson = False) -> None:
    """Show one person."""
    with open_services() as services:
        found = services.galleries.person(person_id)
    _print_person(found, as_json)


@persons.command("change")
def change_person(
    person_id: PersonId,
    name: Annotated[str | None, typer.Option(help="The new name.")] = None,
    external_id: ExternalId = None,
    metadata: MetadataText = None,
    no_external_id: Annotated[
        bool, typer.Option("--no-external-id", help="Delete the external id.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change the name, the external id or the metadata, which are replaced as a whole."""
    attributes = parse_metadata(metadata)
    with usage_errors():
        require_valid_person(name, external_id, attributes)
    values = {"name": name, "external_id": external_id, "attributes": attributes}
    changes: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    if no_external_id:
        if external_id is not None:
            raise typer.BadParameter("pass either --external-id or --no-external-id")
        changes["external_id"] = None
    if not changes:
        raise typer.BadParameter("nothing to change; pass --name, --external-id or --metadata")
    with open_services() as services:
        changed = services.galleries.change(person_id, changes)
    _print_person(changed, as_json)


@persons.command("delete")
def delete_person(person_id: PersonId, as_json: AsJson = False) -> None:
    """Delete a person with all templates and photos."""
    with open_services() as services:
        receipt = services.galleries.delete(person_id)
    if as_json:
        print_model(ErasureReceipt.of(receipt))
    else:
        typer.echo(f"deleted {person_id}; the erasure receipt is {receipt.id}")


@persons.command("photos")
def list_photos(person_id: PersonId, as_json: AsJson = False) -> None:
    """List the templates of a person, oldest first."""
    with open_services() as services:
        found = services.galleries.photos(person_id)
    if as_json:
        print_model(PhotoList(photos=[Photo.of(template) for template in found]))
    else:
        rows = [
            (t.template_id, t.quality, f"{t.created_at:%Y-%m-%d %H:%M}")
            for t in (one.template for one in found)
        ]
        print_table(("template_id", "quality", "enrolled"), rows)


@persons.command("delete-photo")
def delete_photo(
    person_id: PersonId,
    template_id: Annotated[str, typer.Argument(help="The id that `persons photos` shows.")],
    as_json: AsJson = False,
) -> None:
    """Delete one template of a person, with its photo."""
    with open_services() as services:
        receipt = services.galleries.delete_photo(person_id, template_id)
    if as_json:
        print_model(ErasureReceipt.of(receipt))
    else:
        typer.echo(f"deleted {template_id}; the erasure receipt is {receipt.id}")


def _print_person(person: people.Person, as_json: bool) -> None:
    if as_json:
        print_model(Person.of(person))
        return
    rows = [
        ("name", person.name),
        ("external id", person.external_id or ""),
        ("metadata", person.metadata),
        ("collection", person.collection),
        ("photos", person.photos),
        ("enrolled", f"{person.created_at:%Y-%m-%d %H:%M}"),
    ]
    print_table(("", person.person_id), rows)
