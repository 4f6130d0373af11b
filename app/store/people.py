"""People of a gallery. Every function works inside the caller's session."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from app.errors import ExternalIdTaken, PersonNotFound
from app.store.collections import Collection, change_size, lock_with_shadow
from app.store.db.encryption import decrypt_metadata, encrypt_metadata
from app.store.db.person_texts import (
    decrypt_external_id,
    decrypt_name,
    decrypt_texts,
    encrypt_texts,
    has_text,
)
from app.store.db.tables import GALLERY, CollectionRow, EntryRow, TemplateRow, now
from app.store.person_fields import require_valid_person
from app.store.person_search import PersonSearch, find_row_ids

_photo = aliased(TemplateRow)
_PHOTO_COUNT = (
    select(func.count(_photo.row_id))
    .where(_photo.entry_id == EntryRow.row_id, _photo.collection_id == EntryRow.collection_id)
    .correlate(EntryRow)
    .scalar_subquery()
)
PERSON_COLUMNS = (
    EntryRow.row_id,
    EntryRow.public_id,
    EntryRow.name,
    EntryRow.name_index,
    EntryRow.external_id,
    EntryRow.external_id_index,
    EntryRow.attributes,
    CollectionRow.name,
    _PHOTO_COUNT,
    EntryRow.created_at,
)
"""What `to_person` reads, from EntryRow joined with its CollectionRow."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person of a gallery. `photos` is the number of templates in the gallery's space."""

    row_id: int
    person_id: str
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    collection: str
    photos: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PersonPage:
    """People in order of enrollment; `next_after` is None on the last page.

    `crops` has, by person_id, a template whose crop is stored; people without one are absent.
    """

    people: list[Person]
    next_after: int | None
    crops: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, found: list[Person], limit: int) -> "PersonPage":
        """The page of at most `limit` people; `found` has one more if there is a next page."""
        more = len(found) > limit
        return cls(found[:limit], found[limit - 1].row_id if more else None)


@dataclass(frozen=True, slots=True)
class NewPerson:
    """The data of a person to add."""

    name: str
    external_id: str | None
    metadata: dict[str, Any]


def add_person(session: Session, collection: Collection, new: NewPerson) -> Person:
    """Adds a person without templates to a locked gallery.

    Raises InvalidRequest for a field that must not be stored, and ExternalIdTaken.
    """
    require_valid_person(new.name, new.external_id, new.metadata)
    if new.external_id is not None:
        require_unused_external_id(session, collection, new.external_id)
    person_id, created_at = secrets.token_hex(12), now()
    row = EntryRow(
        public_id=person_id,
        collection_id=collection.row_id,
        **encrypt_texts(session, person_id, new.name, new.external_id),
        attributes=encrypt_metadata(session, person_id, new.metadata),
        created_at=created_at,
    )
    session.add(row)
    session.flush()
    change_size(session, collection, 1)
    return Person(
        row_id=row.row_id,
        person_id=person_id,
        name=new.name,
        external_id=new.external_id,
        metadata=new.metadata,
        collection=collection.name,
        photos=0,
        created_at=created_at,
    )


def get_person(session: Session, person_id: str) -> Person:
    """Returns a person of any gallery. Raises PersonNotFound."""
    found = session.execute(_people().where(EntryRow.public_id == person_id)).one_or_none()
    if found is None:
        raise PersonNotFound("no person has this id")
    return to_person(session, found)


def list_persons(
    session: Session, collection: Collection, search: PersonSearch, after: int, limit: int
) -> list[Person]:
    """Returns at most `limit` people with a row_id above `after`, in order of enrollment."""
    row_ids = find_row_ids(session, collection, search, after, limit)
    query = _people().where(EntryRow.row_id.in_(row_ids)).order_by(EntryRow.row_id)
    return [to_person(session, row) for row in session.execute(query)]


def change_person(session: Session, person_id: str, changes: dict[str, Any]) -> Person:
    """Sets the columns named in `changes`: name, external_id, attributes.

    All three are written, so that those of a person are encrypted with one key, or none. Locks the
    person's gallery. Raises PersonNotFound, ExternalIdTaken, and InvalidRequest for a value that
    must not be stored.
    """
    external_id = changes.get("external_id")
    require_valid_person(changes.get("name"), external_id, changes.get("attributes"))
    person, locked = lock_person(session, person_id)
    if external_id is not None and external_id != person.external_id:
        [gallery] = [collection for collection in locked if collection.kind == GALLERY]
        require_unused_external_id(session, gallery, external_id)
    row = session.get_one(EntryRow, person.row_id, with_for_update=True)
    name, external_id = decrypt_texts(session, row)
    attributes = decrypt_metadata(session, person_id, row.attributes)
    new = {"name": name, "external_id": external_id, "attributes": attributes, **changes}
    columns = {
        **encrypt_texts(session, person_id, new["name"], new["external_id"]),
        "attributes": encrypt_metadata(session, person_id, new["attributes"]),
    }
    for column, value in columns.items():
        setattr(row, column, value)
    session.flush()
    return get_person(session, person_id)


def require_unused_external_id(session: Session, gallery: Collection, external_id: str) -> None:
    """Raises ExternalIdTaken if a person of the gallery has this external id.

    Writers call it while they hold the lock of the gallery, so no two of them can store one id. A
    unique index alone would not do: it is missing in a database that had duplicates before it.
    """
    holder = session.scalar(
        select(EntryRow.public_id)
        .where(has_text(session, gallery.row_id, "external_id", [external_id]))
        .order_by(EntryRow.row_id)
        .limit(1)
    )
    if holder is not None:
        raise ExternalIdTaken(holder)


def lock_person(session: Session, person_id: str) -> tuple[Person, list[Collection]]:
    """Locks the person's gallery and its shadow collection, then reads the person.

    Returns both collections in no order. Raises PersonNotFound.
    """
    query = select(EntryRow.collection_id).where(EntryRow.public_id == person_id)
    collection_id = session.scalar(query)
    if collection_id is None:
        raise PersonNotFound("no person has this id")
    locked = lock_with_shadow(session, collection_id)
    return get_person(session, person_id), locked


def to_person(session: Session, row: Sequence[Any]) -> Person:
    """Builds a person from `PERSON_COLUMNS`. Raises DecryptionFailed."""
    row_id, person_id, name, name_index, external_id, external_id_index, *rest = row
    attributes, collection, photos, created_at = rest
    return Person(
        row_id=row_id,
        person_id=person_id,
        name=decrypt_name(session, person_id, name, name_index),
        external_id=decrypt_external_id(session, person_id, external_id, external_id_index),
        metadata=decrypt_metadata(session, person_id, attributes),
        collection=collection,
        photos=photos,
        created_at=created_at,
    )


def _people() -> Select[*tuple[Any, ...]]:
    return (
        select(*PERSON_COLUMNS)
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
        .where(CollectionRow.kind == GALLERY)
    )
