"""Templates of people as vectors."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.people import Person
from app.store.tables import TemplateRow
from app.store.vectors import to_matrix
from app.vectors import Matrix, Vector

_MOST_PARAMETERS = 500


def support_set(session: Session, collection: Collection, person: Person) -> Matrix:
    """Every template of the person, shape (photos, dimension), oldest first."""
    query = (
        select(TemplateRow.vector).where(TemplateRow.entry_id == person.id).order_by(TemplateRow.id)
    )
    return to_matrix(list(session.scalars(query)), collection.space.dimension)


def templates_by_id(
    session: Session, collection: Collection, template_ids: Sequence[str]
) -> dict[str, Vector]:
    """Templates of a gallery by their public ids; unknown ids are absent."""
    found: dict[str, Vector] = {}
    for start in range(0, len(template_ids), _MOST_PARAMETERS):
        query = select(TemplateRow.public_id, TemplateRow.vector).where(
            TemplateRow.collection_id == collection.id,
            TemplateRow.public_id.in_(template_ids[start : start + _MOST_PARAMETERS]),
        )
        for public_id, vector in session.execute(query):
            found[str(public_id)] = to_matrix([vector], collection.space.dimension)[0]
    return found
