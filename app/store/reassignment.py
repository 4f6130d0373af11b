"""Assigns templates to another person of their gallery. Every function uses the caller's session.

A template keeps its id, so its photo, detection and idempotency key, which refer to it, follow.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app.errors import PersonNotFound, PhotoNotFound
from app.store.collections import Collection, raise_largest_support_set, write_journal
from app.store.db.encryption import decrypt_vectors
from app.store.db.tables import UPSERT, ImportedPhotoRow, TemplateRow
from app.store.people import Person, get_person
from app.store.rejections import delete_contradicted, move_rejections
from app.vectors import Matrix


def get_other_person(session: Session, person: Person, person_id: str) -> Person:
    """Returns a person of the same gallery as `person`. Raises PersonNotFound."""
    other = get_person(session, person_id)
    if other.collection != person.collection:
        raise PersonNotFound(f"no person has this id in the collection {person.collection!r}")
    return other


def template_vectors(
    session: Session, gallery: Collection, person: Person, template_id: str
) -> Matrix:
    """The unit vector of a template in the space of the gallery, shape (1, dimension).

    The shape is (0, dimension) if the person has no such template in that space.
    """
    query = select(TemplateRow.public_id, TemplateRow.vector).where(
        TemplateRow.entry_id == person.row_id,
        TemplateRow.collection_id == gallery.row_id,
        TemplateRow.template_id == template_id,
    )
    stored = [(public_id, vector) for public_id, vector in session.execute(query)]
    return decrypt_vectors(session, stored, gallery.space.dimension)


def move_template(
    session: Session, collections: Sequence[Collection], source: Person, template_id: str, to: int
) -> None:
    """Assigns a template of `source`, in every space, to the person with the row_id `to`.

    `collections` are the locked gallery and its shadow collection. A repeated import still finds
    the file that the template was made from, but no longer concludes from it whose folder that is.
    Raises PhotoNotFound if `source` has no such template.
    """
    chosen = (TemplateRow.entry_id == source.row_id) & (TemplateRow.template_id == template_id)
    moved = list(session.scalars(select(TemplateRow.row_id).where(chosen)))
    if not moved:
        raise PhotoNotFound("this person has no photo with this id")
    _move(session, collections, TemplateRow.row_id.in_(moved), to)
    imported = update(ImportedPhotoRow).where(ImportedPhotoRow.template_row_id.in_(moved))
    session.execute(imported.values(import_id=""))


def move_all_templates(
    session: Session, collections: Sequence[Collection], source: Person, to: int
) -> list[str]:
    """Assigns all templates of `source`, in every space, to the person with the row_id `to`.

    So are the rejections of `source`: a face that is not one of the two is not the other. Returns
    the template ids, oldest first. `collections` are the locked gallery and its shadow collection.
    """
    owned = TemplateRow.entry_id == source.row_id
    query = select(TemplateRow.template_id).where(owned).order_by(TemplateRow.row_id)
    template_ids = dict.fromkeys(str(one) for one in session.scalars(query))
    move_rejections(session, source.row_id, to)
    _move(session, collections, owned, to)
    return list(template_ids)


def _move(
    session: Session, collections: Sequence[Collection], chosen: ColumnElement[bool], to: int
) -> None:
    query = select(TemplateRow.row_id, TemplateRow.collection_id).where(chosen)
    moved = [
        (row_id, inside) for row_id, inside in session.execute(query.order_by(TemplateRow.row_id))
    ]
    session.execute(
        update(TemplateRow)
        .where(chosen)
        .values(entry_id=to)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
    delete_contradicted(session, to)
    for collection in collections:
        row_ids = [row_id for row_id, inside in moved if inside == collection.row_id]
        write_journal(session, collection, UPSERT, row_ids)
        owned = (TemplateRow.entry_id == to) & (TemplateRow.collection_id == collection.row_id)
        size = session.scalar(select(func.count(TemplateRow.row_id)).where(owned)) or 0
        raise_largest_support_set(session, collection, size)
