"""Idempotency keys of enrollments. Every function works inside the caller's session."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import IdempotencyKeyReused
from app.store.db.tables import EntryRow, IdempotencyKeyRow, TemplateRow, now
from app.store.people import Person, get_person
from app.store.templates import Template, to_template

LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StoredEnrollment:
    """The person and the template that an earlier request with the same key, or an earlier import
    of the same file, stored."""

    person: Person
    template: Template


def find_enrollment(session: Session, key: str, request_digest: str) -> StoredEnrollment | None:
    """Returns what the same request stored before, or None if the key is unknown.

    Raises IdempotencyKeyReused if the key belongs to a request with another digest.
    """
    query = (
        select(IdempotencyKeyRow.request_digest, TemplateRow, EntryRow.public_id)
        .join(TemplateRow, TemplateRow.row_id == IdempotencyKeyRow.template_row_id)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(IdempotencyKeyRow.key == key)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    stored_digest, row, person_id = found
    if stored_digest != request_digest:
        raise IdempotencyKeyReused("another request was sent with this Idempotency-Key")
    return StoredEnrollment(get_person(session, str(person_id)), to_template(row))


def add_key(session: Session, key: str, request_digest: str, template: Template) -> None:
    """Stores the key with a template. It is deleted with the template, or after `LIFETIME`.

    Raises IdempotencyKeyReused if a concurrent request stored the key.
    """
    delete_expired_keys(session)
    row = IdempotencyKeyRow(key=key, request_digest=request_digest, template_row_id=template.row_id)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise IdempotencyKeyReused(
            "a concurrent request was sent with this Idempotency-Key"
        ) from error


def delete_expired_keys(session: Session) -> None:
    """Deletes the keys that are older than `LIFETIME`."""
    session.execute(
        delete(IdempotencyKeyRow).where(IdempotencyKeyRow.created_at < now() - LIFETIME)
    )
