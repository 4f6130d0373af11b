"""Templates of people as vectors."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.people import Person
from app.store.sealing import open_vectors
from app.store.tables import TemplateRow
from app.vectors import Matrix, Vector

_MOST_PARAMETERS = 500


def support_set(session: Session, collection: Collection, person: Person) -> Matrix:
    """Every template of the person, shape (photos, dimension), oldest first."""
    query = (
        select(TemplateRow.public_id, TemplateRow.vector)
        .where(TemplateRow.entry_id == person.id, TemplateRow.collection_id == collection.id)
        .order_by(TemplateRow.id)
    )
    stored = [(public_id, vector) for public_id, vector in session.execute(query)]
    return open_vectors(session, stored, collection.space.dimension)


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
        rows = [(public_id, vector) for public_id, vector in session.execute(query)]
        vectors = open_vectors(session, rows, collection.space.dimension)
        found.update((str(row[0]), vector) for row, vector in zip(rows, vectors, strict=True))
    return found
