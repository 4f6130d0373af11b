"""Encrypted image files of templates: photos and crops.

Every function works inside the caller's session.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, delete, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import PhotoNotFound
from app.store.db.encryption import ImageKind, decrypt_image, encrypt_image
from app.store.db.image_tables import CropRow, ImageRow, PhotoRow
from app.store.db.statements import fetch_in_blocks
from app.store.db.tables import EntryRow, TemplateRow, now
from app.store.people import Person
from app.store.templates import Template

_CROPS_OF_PEOPLE = (
    select(TemplateRow.entry_id, TemplateRow.template_id, TemplateRow.quality)
    .join(CropRow, CropRow.template_row_id == TemplateRow.row_id)
    .where(
        TemplateRow.entry_id.in_(bindparam("row_ids", expanding=True)),
        CropRow.expires_at > bindparam("moment"),
    )
)
_TABLES: dict[ImageKind, type[ImageRow]] = {"photo": PhotoRow, "crop": CropRow}


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """The numbers of deleted photos and crops."""

    photos: int
    crops: int


def add_image(
    session: Session, kind: ImageKind, template: Template, image: bytes, expires_at: datetime
) -> None:
    """Stores the photo that a template was made from, or the crop of its face."""
    ciphertext = encrypt_image(session, kind, template.template_id, image)
    row = _TABLES[kind](
        template_row_id=template.row_id, ciphertext=ciphertext, expires_at=expires_at
    )
    session.add(row)
    session.flush()


def read_image(session: Session, kind: ImageKind, person_id: str, template_id: str) -> bytes:
    """Returns the image file. Raises PhotoNotFound (also when expired), DecryptionFailed."""
    table = _TABLES[kind]
    query = (
        select(table.ciphertext)
        .join(TemplateRow, TemplateRow.row_id == table.template_row_id)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(
            TemplateRow.template_id == template_id,
            EntryRow.public_id == person_id,
            table.expires_at > now(),
        )
    )
    ciphertext = session.scalar(query)
    if ciphertext is None:
        raise PhotoNotFound(f"this {kind} is not stored, or has expired")
    return decrypt_image(session, kind, template_id, ciphertext)


def templates_with_crop(session: Session, person_id: str) -> set[str]:
    """Returns the ids of a person's templates whose crop is stored and has not expired."""
    query = (
        select(TemplateRow.template_id)
        .join(CropRow, CropRow.template_row_id == TemplateRow.row_id)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(EntryRow.public_id == person_id, CropRow.expires_at > now())
    )
    return {str(template_id) for template_id in session.scalars(query)}


def crops_of_people(session: Session, people: Sequence[Person]) -> dict[str, str]:
    """Returns, by person_id, the template of the best quality whose crop is stored.

    People without an unexpired crop are absent.
    """
    person_ids = {person.row_id: person.person_id for person in people}
    best: dict[str, tuple[float, str]] = {}
    valid = {"moment": now()}
    rows = fetch_in_blocks(session, _CROPS_OF_PEOPLE, "row_ids", list(person_ids), valid)
    for row_id, template_id, quality in rows:
        person_id, found = person_ids[row_id], (quality or 0.0, str(template_id))
        best[person_id] = max(best.get(person_id, found), found)
    return {person_id: template_id for person_id, (_, template_id) in best.items()}


def delete_expired_images(session: Session) -> None:
    """Deletes the expired photos and crops."""
    for table in _TABLES.values():
        session.execute(delete(table).where(table.expires_at <= now()))


def delete_images(session: Session, of_templates: ColumnElement[bool]) -> ImageCounts:
    """Deletes the photos and crops of the templates that match; returns their numbers."""
    row_ids = select(TemplateRow.row_id).where(of_templates)
    return ImageCounts(
        photos=_delete(session, PhotoRow, PhotoRow.template_row_id.in_(row_ids)),
        crops=_delete(session, CropRow, CropRow.template_row_id.in_(row_ids)),
    )


def reassign_images(
    session: Session,
    of_templates: ColumnElement[bool],
    to: Callable[[InstrumentedAttribute[int]], ColumnElement[int | None]],
) -> None:
    """Assigns the images of the templates that match to other templates, or deletes them.

    `to` receives the column with the row_id of an image's template, and returns an expression of
    the row_id of the other template, null to delete the image.
    """
    row_ids = select(TemplateRow.row_id).where(of_templates)
    for table in _TABLES.values():
        chosen, other = table.template_row_id.in_(row_ids), to(table.template_row_id)
        session.execute(
            update(table)
            .where(chosen, other.is_not(None))
            .values(template_row_id=other)
            .execution_options(synchronize_session=False)
        )
        _delete(session, table, table.template_row_id.in_(row_ids))


def _delete(session: Session, table: type[ImageRow], chosen: ColumnElement[bool]) -> int:
    statement = (
        delete(table)
        .where(chosen)
        .returning(table.template_row_id)
        .execution_options(synchronize_session=False)
    )
    return len(session.scalars(statement).all())
