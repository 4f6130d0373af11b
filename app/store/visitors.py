"""Visitors of a gallery: unknown faces that are recognised again until they expire.

They are the entries of a collection of their own, with one template each, in the space of the
gallery. Every function uses the caller's session.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.errors_people import VisitorNotFound
from app.store.collections import (
    Collection,
    change_size,
    collection_by_id,
    create_collection,
    lock_collection,
    raise_largest_support_set,
    write_journal,
)
from app.store.db.tables import (
    REMOVE,
    UPSERT,
    VISITORS,
    CollectionRow,
    EntryRow,
    TemplateRow,
    now,
)
from app.store.db.visitor_table import VisitorRow
from app.store.people import NewPerson, Person, add_person, change_person
from app.store.templates import add_template, delete_templates
from app.vectors import Vector

_NAME = "Visitor"


@dataclass(frozen=True, slots=True)
class Visitor:
    """An unknown person: when the face was first and last seen, and when it is deleted."""

    row_id: int
    visitor_id: str
    first_seen_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def find_visitors(session: Session, gallery: Collection) -> Collection | None:
    """Returns the collection of the gallery's visitors, or None if there has been none."""
    query = select(CollectionRow.row_id).where(CollectionRow.visitors_of == gallery.row_id)
    row_id = session.scalar(query)
    return collection_by_id(session, row_id) if row_id is not None else None


def open_visitors(session: Session, gallery: Collection) -> Collection:
    """Returns the collection of a locked gallery's visitors, locked; creates it if necessary."""
    found = find_visitors(session, gallery)
    if found is not None:
        return lock_collection(session, found)
    # Names of collections begin with a letter or a digit, so no client can use this one.
    created = create_collection(session, f"~{secrets.token_hex(8)}", VISITORS, gallery.space)
    row = update(CollectionRow).where(CollectionRow.row_id == created.row_id)
    session.execute(row.values(visitors_of=gallery.row_id))
    return created


def add_visitor(
    session: Session, visitors: Collection, vector: Vector, quality: float, lifetime: timedelta
) -> str:
    """Adds a face, a unit vector, to a locked collection of visitors; returns the visitor id."""
    added = add_person(session, visitors, NewPerson(_NAME, None, {}))
    add_template(session, visitors, added, vector, quality)
    moment = now()
    session.add(
        VisitorRow(entry_id=added.row_id, last_seen_at=moment, expires_at=moment + lifetime)
    )
    session.flush()
    return added.person_id


def saw_visitor(session: Session, row_id: int, lifetime: timedelta) -> None:
    """States that the visitor with this row_id of an entry is seen now."""
    moment = now()
    row = update(VisitorRow).where(VisitorRow.entry_id == row_id)
    session.execute(row.values(last_seen_at=moment, expires_at=moment + lifetime))


def last_seen(session: Session, row_ids: Sequence[int]) -> dict[int, datetime]:
    """When visitors were last seen, by the row_id of their entry."""
    query = select(VisitorRow).where(VisitorRow.entry_id.in_(row_ids))
    return {row.entry_id: row.last_seen_at for row in session.scalars(query)}


def list_visitors(session: Session, gallery: Collection, after: int, limit: int) -> list[Visitor]:
    """Returns at most `limit` visitors with a row_id above `after`, oldest first."""
    query = (
        select(
            EntryRow.row_id,
            EntryRow.public_id,
            EntryRow.created_at,
            VisitorRow.last_seen_at,
            VisitorRow.expires_at,
        )
        .join(VisitorRow, VisitorRow.entry_id == EntryRow.row_id)
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
        .where(CollectionRow.visitors_of == gallery.row_id, EntryRow.row_id > after)
        .order_by(EntryRow.row_id)
        .limit(limit)
    )
    return [
        Visitor(row_id, str(visitor_id), first, last, expires)
        for row_id, visitor_id, first, last, expires in session.execute(query)
    ]


def get_visitor(session: Session, gallery: Collection, visitor_id: str) -> Visitor:
    """Returns a visitor of the gallery. Raises VisitorNotFound."""
    row_id = session.scalar(select(EntryRow.row_id).where(EntryRow.public_id == visitor_id))
    found = list_visitors(session, gallery, row_id - 1, 1) if row_id is not None else []
    if not found or found[0].row_id != row_id:
        raise VisitorNotFound(f"the collection {gallery.name!r} has no visitor with this id")
    return found[0]


def promote_visitor(
    session: Session, gallery: Collection, visitor: Visitor, person: NewPerson
) -> Person:
    """Makes a visitor a person of the locked gallery; the person's id is that of the visitor.

    Raises InvalidRequest for a field that must not be stored, and ExternalIdTaken.
    """
    visitors = open_visitors(session, gallery)
    own = TemplateRow.entry_id == visitor.row_id
    row_ids = list(session.scalars(select(TemplateRow.row_id).where(own)))
    session.execute(delete(VisitorRow).where(VisitorRow.entry_id == visitor.row_id))
    for table, condition in ((TemplateRow, own), (EntryRow, EntryRow.row_id == visitor.row_id)):
        session.execute(
            update(table).where(condition).values(collection_id=gallery.row_id),
            execution_options={"synchronize_session": False},
        )
    session.expire_all()
    write_journal(session, visitors, REMOVE, row_ids)
    write_journal(session, gallery, UPSERT, row_ids)
    raise_largest_support_set(session, gallery, len(row_ids))
    change_size(session, visitors, -1)
    change_size(session, gallery, 1)
    fields = {"external_id": person.external_id, "attributes": person.metadata}
    return change_person(session, visitor.visitor_id, {"name": person.name, **fields})


def delete_entry(session: Session, visitors: Collection, row_id: int) -> int:
    """Deletes a visitor of a locked collection of visitors; returns the number of templates."""
    deleted = delete_templates(session, [visitors], TemplateRow.entry_id == row_id)
    session.execute(delete(EntryRow).where(EntryRow.row_id == row_id))
    change_size(session, visitors, -1)
    return deleted


def delete_visitors(session: Session, gallery: Collection) -> None:
    """Deletes all visitors of a locked gallery."""
    visitors = find_visitors(session, gallery)
    if visitors is None:
        return
    locked = lock_collection(session, visitors)
    delete_templates(session, [locked], TemplateRow.collection_id == locked.row_id)
    session.execute(delete(EntryRow).where(EntryRow.collection_id == locked.row_id))
    change_size(session, locked, -locked.size)


def delete_expired_visitors(session: Session) -> int:
    """Deletes the visitors that were not seen for long enough; returns their number."""
    query = (
        select(VisitorRow.entry_id, EntryRow.collection_id)
        .join(EntryRow, EntryRow.row_id == VisitorRow.entry_id)
        .where(VisitorRow.expires_at <= now())
        .order_by(EntryRow.collection_id, VisitorRow.entry_id)
    )
    expired = session.execute(query).all()
    for collection_id in dict.fromkeys(row.collection_id for row in expired):
        locked = lock_collection(session, collection_by_id(session, collection_id))
        for row in expired:
            if row.collection_id == collection_id and _is_expired(session, row.entry_id):
                delete_entry(session, locked, row.entry_id)
    return len(expired)


def _is_expired(session: Session, row_id: int) -> bool:
    """Whether a visitor still exists and has not been seen since the rows were chosen."""
    query = select(VisitorRow.entry_id).where(
        VisitorRow.entry_id == row_id, VisitorRow.expires_at <= now()
    )
    return session.scalar(query) is not None
