"""People of a gallery and their templates. Every function works inside the caller's session."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from app.errors import PersonNotFound, PhotoNotFound
from app.store.collections import Collection, lock_with_shadow, write_journal
from app.store.db.encryption import decrypt_metadata, encrypt_metadata, encrypt_vector
from app.store.db.tables import GALLERY, REMOVE, UPSERT, CollectionRow, EntryRow, TemplateRow
from app.store.erasures import Erasure, write_receipt
from app.store.photos import discard_photos
from app.vectors import Vector

_IN_USE = TemplateRow.collection_id == EntryRow.collection_id  # not those in another space


@dataclass(frozen=True, slots=True)
class Person:
    """An entry of a gallery. `photos` counts the templates."""

    row_id: int
    person_id: str
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    collection: str
    photos: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What a caller says about a person who is not enrolled yet."""

    name: str
    external_id: str | None
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A stored embedding, without the embedding. Its id stays when the photo is embedded anew."""

    template_id: str
    quality: float | None
    created_at: datetime


def add_person(session: Session, collection: Collection, new: NewPerson) -> Person:
    """A person without a photo yet; the caller holds the collection's lock."""
    person_id = secrets.token_hex(12)
    row = EntryRow(
        public_id=person_id,
        collection_id=collection.row_id,
        name=new.name,
        external_id=new.external_id,
        attributes=encrypt_metadata(session, person_id, new.metadata),
    )
    session.add(row)
    session.flush()
    write_journal(session, collection, UPSERT, [], new_entries=1)
    return _person(session, row, collection.name, 0)


def add_template(
    session: Session, collection: Collection, person: Person, vector: Vector, quality: float
) -> Template:
    """One more embedding of a person, with its journal row."""
    template_id = secrets.token_hex(12)
    row = TemplateRow(
        public_id=template_id,
        collection_id=collection.row_id,
        entry_id=person.row_id,
        vector=encrypt_vector(session, template_id, vector),
        quality=quality,
    )
    session.add(row)
    session.flush()
    write_journal(session, collection, UPSERT, [row.row_id])
    return _template(row)


def get_person(session: Session, person_id: str) -> Person:
    """By public id, in any gallery. Raises PersonNotFound."""
    query = (
        select(EntryRow, CollectionRow.name)
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
        .where(EntryRow.public_id == person_id, CollectionRow.kind == GALLERY)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise PersonNotFound("no person has this id")
    row, collection = found
    return _person(
        session, row, collection, _photo_counts(session, [row.row_id]).get(row.row_id, 0)
    )


def list_persons(
    session: Session,
    collection: Collection,
    name: str | None,
    external_id: str | None,
    after: int,
    limit: int,
) -> list[Person]:
    """At most `limit` people in order of enrollment, those after the database id `after`."""
    query = (
        select(EntryRow)
        .where(EntryRow.collection_id == collection.row_id, EntryRow.row_id > after)
        .order_by(EntryRow.row_id)
        .limit(limit)
    )
    if name is not None:
        query = query.where(EntryRow.name == name)
    if external_id is not None:
        query = query.where(EntryRow.external_id == external_id)
    rows = list(session.scalars(query))
    photos = _photo_counts(session, [row.row_id for row in rows])
    return [_person(session, row, collection.name, photos.get(row.row_id, 0)) for row in rows]


def change_person(session: Session, person_id: str, changes: dict[str, Any]) -> Person:
    """Set the columns named in `changes` (name, external_id, attributes)."""
    person = get_person(session, person_id)
    row = session.get_one(EntryRow, person.row_id)
    for column, value in changes.items():
        sealing = column == "attributes"
        setattr(row, column, encrypt_metadata(session, person_id, value) if sealing else value)
    session.flush()
    return get_person(session, person_id)


def delete_person(session: Session, person_id: str, within: timedelta) -> Erasure:
    """The person, every template and photo, and a journal row for each so that all indexes forget.

    `within` is how long snapshots and logs may take to forget, for the receipt.
    """
    person, family = _locked(session, person_id)
    templates, photos = _discard(session, family, TemplateRow.entry_id == person.row_id)
    session.execute(delete(EntryRow).where(EntryRow.row_id == person.row_id))
    [gallery] = [collection for collection in family if collection.kind == GALLERY]
    write_journal(session, gallery, REMOVE, [], new_entries=-1)
    return write_receipt(session, person_id, person.collection, templates, photos, within)


def list_templates(session: Session, person_id: str) -> list[Template]:
    """The support set of a person, oldest first. Raises PersonNotFound."""
    person = get_person(session, person_id)
    query = (
        select(TemplateRow)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(EntryRow.row_id == person.row_id, _IN_USE)
        .order_by(TemplateRow.row_id)
    )
    return [_template(row) for row in session.scalars(query)]


def delete_template(
    session: Session, person_id: str, template_id: str, within: timedelta
) -> Erasure:
    """One photo, with its image where that was kept. Raises PersonNotFound or PhotoNotFound."""
    person, family = _locked(session, person_id)
    mine = (TemplateRow.entry_id == person.row_id) & (TemplateRow.template_id == template_id)
    templates, photos = _discard(session, family, mine)
    if not templates:
        raise PhotoNotFound("this person has no photo with this id")
    return write_receipt(session, template_id, person.collection, templates, photos, within)


def _discard(
    session: Session, family: Sequence[Collection], which: ColumnElement[bool]
) -> tuple[int, int]:
    """Remove templates in every space, with their photos; how many there were of both."""
    query = select(TemplateRow.row_id, TemplateRow.collection_id).where(which)
    rows = [(row_id, collection_id) for row_id, collection_id in session.execute(query)]
    photos = discard_photos(session, [row_id for row_id, _ in rows])
    session.execute(delete(TemplateRow).where(which))
    for collection in family:
        ids = [row_id for row_id, collection_id in rows if collection_id == collection.row_id]
        write_journal(session, collection, REMOVE, ids)
    return len(rows), photos


def _locked(session: Session, person_id: str) -> tuple[Person, list[Collection]]:
    """Locks the person's gallery and its shadow collection, then reads the person."""
    row = session.get_one(EntryRow, get_person(session, person_id).row_id)
    family = lock_with_shadow(session, row.collection_id)
    return get_person(session, person_id), family


def _photo_counts(session: Session, entry_ids: Sequence[int]) -> dict[int, int]:
    query = (
        select(TemplateRow.entry_id, func.count())
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(TemplateRow.entry_id.in_(entry_ids), _IN_USE)
        .group_by(TemplateRow.entry_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _person(session: Session, row: EntryRow, collection: str, photos: int) -> Person:
    assert row.public_id is not None, "people have public ids, words have none"
    return Person(
        row.row_id,
        row.public_id,
        row.name,
        row.external_id,
        decrypt_metadata(session, row.public_id, row.attributes),
        collection,
        photos,
        row.created_at,
    )


def _template(row: TemplateRow) -> Template:
    assert row.template_id is not None, "templates of people have public ids"
    return Template(row.template_id, row.quality, row.created_at)
