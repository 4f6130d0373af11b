"""Templates of shadow collections. Every function works inside the caller's session."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from app.store.collections import (
    Collection,
    lock_with_shadow,
    raise_largest_support_set,
    write_journal,
)
from app.store.db.encryption import decrypt_image, encrypt_vector
from app.store.db.image_tables import PhotoRow
from app.store.db.person_texts import decrypt_name
from app.store.db.tables import (
    UPSERT,
    EntryRow,
    TemplateRow,
    now,
)
from app.store.detections import copy_detection
from app.store.imports import copy_imported
from app.vectors import Vector


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A stored photo without a template in the shadow collection, and the gallery template that
    was made from it."""

    row_id: int
    template_id: str
    image: bytes


@dataclass(frozen=True, slots=True)
class ShadowTemplate:
    """A photo embedded with the model of the shadow collection: a unit vector and the quality
    score, 0 to 1."""

    photo: StoredPhoto
    vector: Vector
    quality: float


@dataclass(frozen=True, slots=True)
class PersonName:
    """The id and the name of a person."""

    person_id: str
    name: str


def photos_to_embed(
    session: Session, gallery: Collection, shadow: Collection, after: int, limit: int
) -> list[StoredPhoto]:
    """Returns stored photos without a template in the shadow collection, at most `limit`.

    Only templates with a row_id above `after` are considered, in that order. Raises
    DecryptionFailed.
    """
    query = (
        select(TemplateRow.row_id, TemplateRow.template_id, PhotoRow.ciphertext)
        .join(PhotoRow, PhotoRow.template_row_id == TemplateRow.row_id)
        .where(_is_pending(gallery, shadow), TemplateRow.row_id > after)
        .order_by(TemplateRow.row_id)
        .limit(limit)
    )
    return [
        StoredPhoto(
            row_id,
            str(template_id),
            decrypt_image(session, "photo", str(template_id), encrypted),
        )
        for row_id, template_id, encrypted in session.execute(query)
    ]


def count_photos_to_embed(session: Session, gallery: Collection, shadow: Collection) -> int:
    """Returns the number of stored photos without a template in the shadow collection."""
    query = select(func.count(TemplateRow.row_id)).join(
        PhotoRow, PhotoRow.template_row_id == TemplateRow.row_id
    )
    return session.scalar(query.where(_is_pending(gallery, shadow))) or 0


def add_shadow_templates(
    session: Session, shadow: Collection, templates: Sequence[ShadowTemplate]
) -> int:
    """Adds templates to the shadow collection; returns the number of added rows.

    Skips a photo whose gallery template has been deleted, or that has a shadow template already.
    """
    locked = {c.row_id: c for c in lock_with_shadow(session, shadow.row_id)}
    added: list[int] = []
    for template in templates:
        photo = template.photo
        source = session.get(TemplateRow, photo.row_id)
        existing = same_photo(shadow).where(TemplateRow.row_id == photo.row_id)
        if source is None or session.scalar(existing) is not None:
            continue
        public_id = secrets.token_hex(12)
        row = TemplateRow(
            public_id=public_id,
            collection_id=shadow.row_id,
            entry_id=source.entry_id,
            vector=encrypt_vector(session, public_id, template.vector),
            quality=template.quality,
            origin=photo.template_id,
            created_at=source.created_at,
        )
        session.add(row)
        session.flush()
        copy_imported(session, source.row_id, row.row_id)
        copy_detection(session, source.row_id, row.row_id)
        added.append(row.row_id)
    write_journal(session, locked[shadow.row_id], UPSERT, added)
    largest = max(collection.largest_support_set for collection in locked.values())
    raise_largest_support_set(session, locked[shadow.row_id], largest)
    return len(added)


def people_without_template(
    session: Session, gallery: Collection, collection: Collection
) -> list[PersonName]:
    """Returns the gallery's people without a template in `collection`, oldest first.

    Raises DecryptionFailed.
    """
    columns = (EntryRow.public_id, EntryRow.name, EntryRow.name_index)
    query = select(*columns).where(_has_no_template(gallery, collection))
    rows = session.execute(query.order_by(EntryRow.row_id))
    return [
        PersonName(str(person_id), decrypt_name(session, str(person_id), name, index))
        for person_id, name, index in rows
    ]


def count_people_without_template(
    session: Session, gallery: Collection, collection: Collection
) -> int:
    """Returns the number of the gallery's people without a template in `collection`."""
    query = select(func.count(EntryRow.row_id)).where(_has_no_template(gallery, collection))
    return session.scalar(query) or 0


def same_photo(collection: Collection) -> Select[int]:
    """Selects the templates in `collection` of the same photo as an outer TemplateRow."""
    other = aliased(TemplateRow)
    return select(other.row_id).where(
        other.collection_id == collection.row_id,
        other.entry_id == TemplateRow.entry_id,
        other.template_id == TemplateRow.template_id,
    )


def _is_pending(gallery: Collection, shadow: Collection) -> ColumnElement[bool]:
    """Whether a gallery TemplateRow has an unexpired photo and no template in the shadow."""
    in_shadow = same_photo(shadow).correlate(TemplateRow)
    return and_(
        TemplateRow.collection_id == gallery.row_id,
        PhotoRow.expires_at > now(),
        ~in_shadow.exists(),
    )


def _has_no_template(gallery: Collection, collection: Collection) -> ColumnElement[bool]:
    has_template = exists().where(
        TemplateRow.entry_id == EntryRow.row_id, TemplateRow.collection_id == collection.row_id
    )
    return (EntryRow.collection_id == gallery.row_id) & ~has_template
