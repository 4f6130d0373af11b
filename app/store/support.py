"""The support set of a person as vectors."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.people import Person
from app.store.tables import TemplateRow
from app.store.vectors import to_matrix
from app.vectors import Matrix


def support_set(session: Session, collection: Collection, person: Person) -> Matrix:
    """Every template of the person, shape (photos, dimension), oldest first."""
    query = (
        select(TemplateRow.vector).where(TemplateRow.entry_id == person.id).order_by(TemplateRow.id)
    )
    return to_matrix(list(session.scalars(query)), collection.space.dimension)
