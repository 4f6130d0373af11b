"""Templates of people as vectors."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.db.encryption import decrypt_vectors
from app.store.db.tables import TemplateRow
from app.store.people import Person
from app.vectors import Matrix, Vector

_MOST_PARAMETERS = 500


def support_set(session: Session, collection: Collection, person: Person) -> Matrix:
    """Every template of the person, shape (photos, dimension), oldest first."""
    query = (
        select(TemplateRow.public_id, TemplateRow.vector)
        .where(
            TemplateRow.entry_id == person.row_id, TemplateRow.collection_id == collection.row_id
        )
        .order_by(TemplateRow.row_id)
    )
    stored = [(public_id, vector) for public_id, vector in session.execute(query)]
    return decrypt_vectors(session, stored, collection.space.dimension)


def templates_by_id(
    session: Session, collection: Collection, template_ids: Sequence[str]
) -> dict[str, Vector]:
    """Templates of a gallery by their public ids; unknown ids are absent."""
    found: dict[str, Vector] = {}
    for start in range(0, len(template_ids), _MOST_PARAMETERS):
        some = template_ids[start : start + _MOST_PARAMETERS]
        query = select(TemplateRow.public_id, TemplateRow.vector, TemplateRow.template_id).where(
            TemplateRow.collection_id == collection.row_id,
            or_(TemplateRow.public_id.in_(some), TemplateRow.origin.in_(some)),
        )
        rows = session.execute(query).all()
        stored = [(row.public_id, row.vector) for row in rows]
        vectors = decrypt_vectors(session, stored, collection.space.dimension)
        found.update((str(row[2]), vector) for row, vector in zip(rows, vectors, strict=True))
    return found
