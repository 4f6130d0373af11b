"""Encrypted image files of templates. Every function works inside the caller's session."""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from app.errors import PhotoNotFound
from app.store.db.encryption import decrypt_photo, encrypt_photo
from app.store.db.tables import EntryRow, PhotoRow, TemplateRow, now
from app.store.templates import Template


def add_photo(session: Session, template: Template, image: bytes, expires_at: datetime) -> None:
    """Stores the image file that a template was made from."""
    ciphertext = encrypt_photo(session, template.template_id, image)
    photo = PhotoRow(template_row_id=template.row_id, ciphertext=ciphertext, expires_at=expires_at)
    session.add(photo)
    session.flush()


def read_photo(session: Session, person_id: str, template_id: str) -> bytes:
    """Returns the file as sent. Raises PhotoNotFound (also when expired), DecryptionFailed."""
    query = (
        select(PhotoRow.ciphertext)
        .join(TemplateRow, TemplateRow.row_id == PhotoRow.template_row_id)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(
            TemplateRow.template_id == template_id,
            EntryRow.public_id == person_id,
            PhotoRow.expires_at > now(),
        )
    )
    ciphertext = session.scalar(query)
    if ciphertext is None:
        raise PhotoNotFound("this photo is not stored, or has expired")
    return decrypt_photo(session, template_id, ciphertext)


def delete_expired_photos(session: Session) -> int:
    """Deletes the expired photos; returns their number."""
    expired = delete(PhotoRow).where(PhotoRow.expires_at <= now())
    return len(session.scalars(expired.returning(PhotoRow.template_row_id)).all())


def delete_photos(session: Session, of_templates: ColumnElement[bool]) -> int:
    """Deletes the photos of the templates that match; returns the number of deleted rows."""
    template_row_ids = select(TemplateRow.row_id).where(of_templates)
    chosen = (
        delete(PhotoRow)
        .where(PhotoRow.template_row_id.in_(template_row_ids))
        .execution_options(synchronize_session=False)
    )
    return len(session.scalars(chosen.returning(PhotoRow.template_row_id)).all())
