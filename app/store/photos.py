"""Photos that a setting keeps, sealed. Every function works inside the caller's session."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.errors import PhotoNotFound
from app.store.db.encryption import decrypt_photo, encrypt_photo
from app.store.db.tables import EntryRow, PhotoRow, TemplateRow, now


def keep_photo(session: Session, template_id: str, image: bytes, until: datetime) -> None:
    """Keep the photo behind a template."""
    row_id = session.scalar(select(TemplateRow.row_id).where(TemplateRow.public_id == template_id))
    assert row_id is not None, "the template was just added"
    ciphertext = encrypt_photo(session, template_id, image)
    session.add(PhotoRow(template_row_id=row_id, ciphertext=ciphertext, kept_until=until))
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
            PhotoRow.kept_until > now(),
        )
    )
    ciphertext = session.scalar(query)
    if ciphertext is None:
        raise PhotoNotFound("this photo is not kept")
    return decrypt_photo(session, template_id, ciphertext)


def discard_expired(session: Session) -> int:
    """Remove the photos whose time is over; how many there were."""
    gone = delete(PhotoRow).where(PhotoRow.kept_until <= now()).returning(PhotoRow.template_row_id)
    return len(list(session.scalars(gone)))


def discard_photos(session: Session, template_rows: list[int]) -> int:
    """Remove those behind some templates, by database id; how many there were."""
    gone = delete(PhotoRow).where(PhotoRow.template_row_id.in_(template_rows))
    return len(list(session.scalars(gone.returning(PhotoRow.template_row_id))))
