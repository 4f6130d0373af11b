"""A gallery's people in the space of another model, beside the space that answers.

A counterpart has templates, a journal and an index of its own; the people belong to the gallery.
Cut-over and roll-back are one and the same exchange. Every function works inside the caller's
session.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from app.errors import ShadowExists, ShadowNotFound
from app.store.collections import (
    Collection,
    collection_by_id,
    create_collection,
    delete_collection,
    get_collection,
    lock_family,
    write_journal,
)
from app.store.db.encryption import decrypt_photo, encrypt_vector
from app.store.db.tables import (
    COUNTERPART,
    GALLERY,
    UPSERT,
    CollectionRow,
    EntryRow,
    PhotoRow,
    TemplateRow,
    now,
)
from app.vectors import EmbeddingSpace, Vector


@dataclass(frozen=True, slots=True)
class KeptPhoto:
    """A photo without a template in the counterpart. `template_id` is what clients know."""

    row_id: int
    template_id: str
    image: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """A person as far as a list of names goes."""

    person_id: str
    name: str


def find_counterpart(session: Session, gallery: Collection) -> Collection | None:
    """The counterpart, if there is one."""
    row_id = session.scalar(
        select(CollectionRow.row_id).where(CollectionRow.counterpart_of == gallery.row_id)
    )
    return collection_by_id(session, row_id) if row_id is not None else None


def counterpart_of(session: Session, gallery: Collection) -> Collection:
    """The counterpart. Raises ShadowNotFound."""
    found = find_counterpart(session, gallery)
    if found is None:
        raise ShadowNotFound(f"collection {gallery.name!r} is in one space only")
    return found


def open_counterpart(session: Session, name: str, space: EmbeddingSpace) -> Collection:
    """The gallery's counterpart in this space, made where there is none.

    Raises ShadowExists where the gallery is in that space already, or on its way to a third.
    """
    [gallery, *_] = _locked(session, name)
    if gallery.space.digest == space.digest:
        raise ShadowExists(f"collection {name!r} is on {space.name} already")
    known = find_counterpart(session, gallery)
    if known is None:
        # No client can name it so: names of collections begin with a letter or a digit.
        made = create_collection(session, f"~{secrets.token_hex(8)}", COUNTERPART, space)
        row = update(CollectionRow).where(CollectionRow.row_id == made.row_id)
        session.execute(row.values(counterpart_of=gallery.row_id))
        return made
    if known.space.digest != space.digest:
        raise ShadowExists(
            f"collection {name!r} has templates of {known.space.name} beside its own; "
            "discard those first"
        )
    return known


def photos_to_embed(
    session: Session, gallery: Collection, counterpart: Collection, after: int, limit: int
) -> list[KeptPhoto]:
    """Photos without a template in the counterpart, after a row id. Raises DecryptionFailed."""
    query = (
        select(TemplateRow.row_id, TemplateRow.template_id, PhotoRow.ciphertext)
        .join(PhotoRow, PhotoRow.template_row_id == TemplateRow.row_id)
        .where(_waits(gallery, counterpart), TemplateRow.row_id > after)
        .order_by(TemplateRow.row_id)
        .limit(limit)
    )
    return [
        KeptPhoto(row_id, str(shown), decrypt_photo(session, str(shown), ciphertext))
        for row_id, shown, ciphertext in session.execute(query)
    ]


def count_photos_to_embed(session: Session, gallery: Collection, counterpart: Collection) -> int:
    """How many there are."""
    query = select(func.count(TemplateRow.row_id)).join(
        PhotoRow, PhotoRow.template_row_id == TemplateRow.row_id
    )
    return session.scalar(query.where(_waits(gallery, counterpart))) or 0


def add_twins(
    session: Session, counterpart: Collection, twins: Sequence[tuple[KeptPhoto, Vector, float]]
) -> int:
    """Templates of kept photos (photo, unit vector, quality) in the counterpart; how many.

    A photo that was deleted meanwhile, or embedded by another run, is left out.
    """
    locked = {c.row_id: c for c in lock_family(session, counterpart.row_id)}
    ids: list[int] = []
    for photo, vector, quality in twins:
        source = session.get(TemplateRow, photo.row_id)
        known = _twins(counterpart).where(TemplateRow.row_id == photo.row_id)
        if source is None or session.scalar(known) is not None:
            continue
        public_id = secrets.token_hex(12)
        row = TemplateRow(
            public_id=public_id,
            collection_id=counterpart.row_id,
            entry_id=source.entry_id,
            vector=encrypt_vector(session, public_id, vector),
            quality=quality,
            origin=photo.template_id,
            created_at=source.created_at,
        )
        session.add(row)
        session.flush()
        ids.append(row.row_id)
    write_journal(session, locked[counterpart.row_id], UPSERT, ids)
    return len(ids)


def people_missing(session: Session, gallery: Collection, space_of: Collection) -> list[Known]:
    """The gallery's people without a template in the space of `space_of`, by enrollment."""
    query = select(EntryRow.public_id, EntryRow.name).where(_lacks(gallery, space_of))
    rows = session.execute(query.order_by(EntryRow.row_id))
    return [Known(str(person_id), name) for person_id, name in rows]


def count_people_missing(session: Session, gallery: Collection, space_of: Collection) -> int:
    """How many they are."""
    return session.scalar(select(func.count(EntryRow.row_id)).where(_lacks(gallery, space_of))) or 0


def exchange(session: Session, name: str) -> tuple[Collection, Collection]:
    """Let the counterpart answer, and what answered become the counterpart: cut-over, roll-back.

    The gallery and its counterpart as they are then. Raises ShadowNotFound.
    """
    gallery, other = _both(session, name)
    row = {one.row_id: session.get_one(CollectionRow, one.row_id) for one in (gallery, other)}
    row[gallery.row_id].name, row[other.row_id].counterpart_of = f"~{secrets.token_hex(8)}", None
    session.flush()  # names and counterparts are unique at every moment
    row[gallery.row_id].kind, row[other.row_id].kind = COUNTERPART, GALLERY
    row[gallery.row_id].counterpart_of, row[other.row_id].name = other.row_id, name
    row[gallery.row_id].size, row[other.row_id].size = 0, gallery.size
    session.flush()
    moved = update(EntryRow).where(EntryRow.collection_id == gallery.row_id)
    session.execute(moved.values(collection_id=other.row_id))
    session.expire_all()
    return get_collection(session, name, GALLERY), collection_by_id(session, gallery.row_id)


def discard_counterpart(session: Session, name: str) -> Collection:
    """Remove the counterpart; photos stay with what is left of them. Raises ShadowNotFound."""
    gallery, other = _both(session, name)
    mine = PhotoRow.template_row_id.in_(
        select(TemplateRow.row_id).where(TemplateRow.collection_id == other.row_id)
    )
    there = (
        _twins(gallery).where(TemplateRow.row_id == PhotoRow.template_row_id).correlate(PhotoRow)
    ).scalar_subquery()
    session.execute(
        update(PhotoRow)
        .where(mine, there.is_not(None))
        .values(template_id=there)
        .execution_options(synchronize_session=False)
    )
    session.execute(delete(PhotoRow).where(mine).execution_options(synchronize_session=False))
    delete_collection(session, other)
    return other


def _locked(session: Session, name: str) -> list[Collection]:
    """The gallery, then its counterpart if there is one, locked. Raises CollectionNotFound."""
    named = get_collection(session, name, GALLERY)
    family = lock_family(session, named.row_id)
    return sorted(family, key=lambda collection: collection.kind != GALLERY)


def _both(session: Session, name: str) -> tuple[Collection, Collection]:
    """The gallery and its counterpart, locked. Raises CollectionNotFound, ShadowNotFound."""
    gallery, *others = _locked(session, name)
    if not others:
        raise ShadowNotFound(f"collection {name!r} is in one space only")
    return gallery, others[0]


def _twins(collection: Collection) -> Select[int]:
    """Ids of the templates in `collection` that show the photo of a TemplateRow elsewhere."""
    twin = aliased(TemplateRow)
    return select(twin.row_id).where(
        twin.collection_id == collection.row_id,
        twin.entry_id == TemplateRow.entry_id,
        twin.template_id == TemplateRow.template_id,
    )


def _waits(gallery: Collection, counterpart: Collection) -> ColumnElement[bool]:
    """Of a TemplateRow with its PhotoRow: kept, not expired, and without a twin."""
    twin = _twins(counterpart).correlate(TemplateRow)
    return and_(
        TemplateRow.collection_id == gallery.row_id, PhotoRow.kept_until > now(), ~twin.exists()
    )


def _lacks(gallery: Collection, space_of: Collection) -> ColumnElement[bool]:
    has_one = exists().where(
        TemplateRow.entry_id == EntryRow.row_id, TemplateRow.collection_id == space_of.row_id
    )
    return (EntryRow.collection_id == gallery.row_id) & ~has_one
