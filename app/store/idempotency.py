"""Which enrollment a key stands for. Every function works inside the caller's session."""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import IdempotencyKeyReused
from app.store.db.tables import EnrollKeyRow, EntryRow, TemplateRow, now
from app.store.people import Person, Template, get_person

KEPT_FOR = timedelta(days=1)


def find_enrolled(session: Session, key: str, digest: str) -> tuple[Person, Template] | None:
    """What the same request did before; None if it never came, or is gone again.

    Raises IdempotencyKeyReused where the key came with another request.
    """
    query = (
        select(EnrollKeyRow.request_digest, TemplateRow, EntryRow.public_id)
        .join(TemplateRow, TemplateRow.row_id == EnrollKeyRow.template_row_id)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(EnrollKeyRow.key == key)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    before, row, person_id = found
    if before != digest:
        raise IdempotencyKeyReused("this Idempotency-Key came with another request before")
    template = Template(str(row.template_id), row.quality, row.created_at)
    return get_person(session, str(person_id)), template


def discard_old_keys(session: Session) -> None:
    """Forget the keys that are older than a day."""
    session.execute(delete(EnrollKeyRow).where(EnrollKeyRow.created_at < now() - KEPT_FOR))


def remember_key(session: Session, key: str, digest: str, template: Template) -> None:
    """Bind the key to a template; it goes when the template goes, and after a day.

    Raises IdempotencyKeyReused where another request took it meanwhile.
    """
    discard_old_keys(session)
    row_id = session.scalar(
        select(TemplateRow.row_id).where(TemplateRow.public_id == template.template_id)
    )
    assert row_id is not None, "the template was just added"
    try:
        with session.begin_nested():
            session.add(EnrollKeyRow(key=key, request_digest=digest, template_row_id=row_id))
    except IntegrityError as error:
        raise IdempotencyKeyReused(
            "this Idempotency-Key came with another request meanwhile"
        ) from error
