"""Deletes people, templates and collections, with receipts.

Every function uses the caller's session.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from app.errors import ErasureNotFound, PhotoNotFound
from app.store import collections as collection_store
from app.store.collections import Collection, change_size, get_collection, lock_with_shadow
from app.store.db.tables import GALLERY, EntryRow, ErasureRow, TemplateRow, now
from app.store.people import lock_person
from app.store.rejections import delete_rejections_of
from app.store.template_images import delete_images
from app.store.templates import delete_templates
from app.store.visitors import Visitor, delete_entry, open_visitors


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of a deletion.

    `subject` is the SHA-256 of the deleted person_id or template_id, so the receipt identifies
    no one, but a holder of the id can verify it; for a collection, that of its name. Searches find
    nothing from `erased_at` on. `completed_at` is when the bytes had been purged from the SQLite
    file, its write-ahead log and index snapshots, None until then; `complete_by` is when that is
    expected. Files of PostgreSQL keep the bytes until VACUUM FULL.
    `digest` is the SHA-256 of the other fields, and changes with the completion.
    """

    id: str
    subject: str
    collection: str
    templates: int
    photos: int
    crops: int
    erased_at: datetime
    complete_by: datetime
    completed_at: datetime | None
    digest: str


@dataclass(frozen=True, slots=True)
class _Counts:
    templates: int
    photos: int = 0
    crops: int = 0


def delete_person(session: Session, person_id: str, purge_within: timedelta) -> Erasure:
    """Deletes a person with all templates, photos and crops. Raises PersonNotFound.

    `purge_within` is the expected time until their bytes are purged, for the receipt.
    """
    person, collections = lock_person(session, person_id)
    counts = _delete(session, collections, TemplateRow.entry_id == person.row_id)
    session.execute(delete(EntryRow).where(EntryRow.row_id == person.row_id))
    [gallery] = [collection for collection in collections if collection.kind == GALLERY]
    change_size(session, gallery, -1)
    return _add_receipt(session, person_id, person.collection, counts, purge_within)


def delete_template(
    session: Session, person_id: str, template_id: str, purge_within: timedelta
) -> Erasure:
    """Deletes one template in every space, with its photo and crop.

    Raises PersonNotFound, or PhotoNotFound if the person has no such template.
    """
    person, collections = lock_person(session, person_id)
    chosen = (TemplateRow.entry_id == person.row_id) & (TemplateRow.template_id == template_id)
    counts = _delete(session, collections, chosen)
    if not counts.templates:
        raise PhotoNotFound("this person has no photo with this id")
    return _add_receipt(session, template_id, person.collection, counts, purge_within)


def delete_collection(
    session: Session, name: str, purge_within: timedelta
) -> tuple[Erasure, list[Collection]]:
    """Deletes a gallery (with its shadow collection) or a vocabulary, with all templates.

    Returns the receipt and the deleted collections, whose indexes the caller deletes after the
    commit. Raises CollectionNotFound.
    """
    locked = lock_with_shadow(session, get_collection(session, name).row_id)
    inside = TemplateRow.collection_id.in_([collection.row_id for collection in locked])
    templates = session.scalar(select(func.count(TemplateRow.row_id)).where(inside)) or 0
    images = delete_images(session, inside)
    counts = _Counts(templates, images.photos, images.crops)
    for collection in locked:
        collection_store.delete_collection(session, collection)
    return _add_receipt(session, name, name, counts, purge_within), locked


def delete_visitor(
    session: Session, gallery: Collection, visitor: Visitor, purge_within: timedelta
) -> Erasure:
    """Deletes a visitor of a locked gallery."""
    inside = open_visitors(session, gallery)
    counts = _Counts(delete_entry(session, inside, visitor.row_id))
    return _add_receipt(session, visitor.visitor_id, gallery.name, counts, purge_within)


def get_receipt(session: Session, erasure_id: str) -> Erasure:
    """Returns the receipt. Raises ErasureNotFound."""
    row = session.get(ErasureRow, erasure_id)
    if row is None:
        raise ErasureNotFound("there is no receipt with this id")
    return _erasure(row)


def latest_receipts(session: Session, limit: int, collections: Set[str] | None) -> list[Erasure]:
    """Returns at most `limit` receipts, newest first; None for `collections` means all."""
    query = select(ErasureRow).order_by(ErasureRow.erased_at.desc(), ErasureRow.id).limit(limit)
    if collections is not None:
        query = query.where(ErasureRow.collection.in_(collections))
    return [_erasure(row) for row in session.scalars(query)]


def incomplete_receipts(session: Session) -> list[str]:
    """Returns the ids of receipts whose bytes are not known to be purged."""
    return list(session.scalars(select(ErasureRow.id).where(ErasureRow.completed_at.is_(None))))


def complete_receipts(session: Session, ids: Sequence[str]) -> None:
    """States in the receipts that the deleted bytes are purged now."""
    moment = now()
    for receipt in ids:
        row = session.get(ErasureRow, receipt)
        if row is not None and row.completed_at is None:
            row.completed_at = moment
            row.digest = digest_of(_erasure(row))


def digest_of(erasure: Erasure) -> str:
    """Returns the SHA-256 of all fields but `digest`: JSON, sorted keys, times in ISO 8601."""
    fields = {name: value for name, value in asdict(erasure).items() if name != "digest"}
    written = json.dumps(fields, sort_keys=True, default=datetime.isoformat)
    return hashlib.sha256(written.encode()).hexdigest()


def _delete(
    session: Session, collections: list[Collection], condition: ColumnElement[bool]
) -> _Counts:
    """Deletes templates of locked collections in every space, with their photos and crops."""
    delete_rejections_of(session, condition)
    images = delete_images(session, condition)  # deleting the templates would cascade uncounted
    templates = delete_templates(session, collections, condition)
    return _Counts(templates, images.photos, images.crops)


def _add_receipt(
    session: Session, subject: str, collection: str, counts: _Counts, purge_within: timedelta
) -> Erasure:
    moment = now()
    row = ErasureRow(
        id=secrets.token_hex(12),
        subject=hashlib.sha256(subject.encode()).hexdigest(),
        collection=collection,
        templates=counts.templates,
        photos=counts.photos,
        crops=counts.crops,
        erased_at=moment,
        complete_by=moment + purge_within,
        digest="",
    )
    row.digest = digest_of(_erasure(row))
    session.add(row)
    session.flush()
    return _erasure(row)


def _erasure(row: ErasureRow) -> Erasure:
    return Erasure(
        row.id,
        row.subject,
        row.collection,
        row.templates,
        row.photos,
        row.crops,
        row.erased_at,
        row.complete_by,
        row.completed_at,
        row.digest,
    )
