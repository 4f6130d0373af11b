"""The `sima visitors` commands: list, promote and delete unknown faces of a gallery."""

from typing import Annotated

import typer

from app.api.schemas.persons import ErasureReceipt, Person
from app.api.schemas.visitors import Visitor, VisitorPage
from app.commands.output import AsJson, open_services, print_model, print_table, usage_errors
from app.commands.people import Gallery
from app.commands.person_options import ExternalId, MetadataText, parse_metadata
from app.faces.enrollment import DEFAULT_COLLECTION
from app.store.people import NewPerson
from app.store.person_fields import require_valid_person

visitors = typer.Typer(no_args_is_help=True, help="Unknown faces that are recognised again.")

VisitorId = Annotated[str, typer.Argument(help="The id that `visitors list` shows.")]
_PAGE = 500


@visitors.command("list")
def list_visitors(collection: Gallery = DEFAULT_COLLECTION, as_json: AsJson = False) -> None:
    """List the visitors of a gallery in the order of their first visit."""
    with open_services() as services:
        page = services.visitors.page(collection, 0, _PAGE)
        found = list(page.visitors)
        while page.next_after is not None:
            page = services.visitors.page(collection, page.next_after, _PAGE)
            found += page.visitors
    if as_json:
        print_model(VisitorPage(visitors=[Visitor.of(one) for one in found], next_cursor=None))
    else:
        rows = [
            (v.visitor_id, f"{v.first_seen_at:%Y-%m-%d %H:%M}", f"{v.last_seen_at:%Y-%m-%d %H:%M}")
            for v in found
        ]
        print_table(("visitor_id", "first seen", "last seen"), rows)


@visitors.command("promote")
def promote(
    visitor_id: VisitorId,
    name: Annotated[str, typer.Option(help="The name of the person.")],
    collection: Gallery = DEFAULT_COLLECTION,
    external_id: ExternalId = None,
    metadata: MetadataText = None,
    as_json: AsJson = False,
) -> None:
    """Make a visitor a person of the gallery."""
    attributes = parse_metadata(metadata) or {}
    with usage_errors():
        require_valid_person(name, external_id, attributes)
    new = NewPerson(name, external_id, attributes)
    with open_services() as services:
        person = services.visitors.promote(collection, visitor_id, new)
    if as_json:
        print_model(Person.of(person))
    else:
        typer.echo(f"{person.name} is the person {person.person_id}")


@visitors.command("delete")
def delete(
    visitor_id: VisitorId, collection: Gallery = DEFAULT_COLLECTION, as_json: AsJson = False
) -> None:
    """Delete a visitor."""
    with open_services() as services:
        receipt = services.visitors.delete(collection, visitor_id)
    if as_json:
        print_model(ErasureReceipt.of(receipt))
    else:
        typer.echo(f"deleted {visitor_id}; the erasure receipt is {receipt.id}")
