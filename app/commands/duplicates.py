"""The command `sima persons duplicates`."""

from typing import Annotated

import typer

from app.api.schemas import duplicates as schemas
from app.commands.output import AsJson, open_services, print_model, print_table
from app.commands.people import Gallery
from app.faces.duplicates import DuplicatePage, unique_pairs
from app.faces.enrollment import DEFAULT_COLLECTION

_PAGE = 200


def list_duplicates(
    collection: Gallery = DEFAULT_COLLECTION,
    target_fpir: Annotated[
        float | None,
        typer.Option(
            min=1e-12,
            max=0.5,
            help="The share of people who are listed although they resemble another one by "
            "chance; default: SIMA_DUPLICATE_FPIR.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List pairs of people who may be one person enrolled twice."""
    with open_services() as services:
        finder = services.duplicates
        page = finder.page(collection, 0, _PAGE, target_fpir)
        found, examined = list(page.pairs), page.examined
        while page.next_after is not None:
            page = finder.page(collection, page.next_after, _PAGE, target_fpir)
            found += page.pairs
            examined += page.examined
        found = unique_pairs(found)
    if as_json:
        print_model(schemas.DuplicatePage.of(DuplicatePage(found, examined, None)))
    else:
        rows = [
            (
                f"{pair.person.name} ({pair.person.person_id})",
                f"{pair.other.name} ({pair.other.person_id})",
                f"{pair.judgement.similarity:.3f}",
                f"{pair.judgement.threshold:.3f}",
            )
            for pair in found
        ]
        print_table(("person", "other person", "similarity", "threshold"), rows)
