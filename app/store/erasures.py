"""Receipts for what was deleted. Every function works inside the caller's session."""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.errors import ErasureNotFound
from app.store.db.tables import ErasureRow, now


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was removed when. `subject` is the SHA-256 of the id of the person or template: who
    knows the id can hold it against the receipt, the receipt alone tells nobody.

    No search finds it from `erased_at` on; its bytes are out of tables, logs of the database and
    index snapshots at `complete_by`. `digest` is the SHA-256 of the other fields.
    """

    id: str
    subject: str
    collection: str
    templates: int
    photos: int
    erased_at: datetime
    complete_by: datetime
    digest: str


def write_receipt(
    session: Session, subject: str, collection: str, templates: int, photos: int, within: timedelta
) -> Erasure:
    """A receipt, kept with the deletion's own transaction."""
    moment = now()
    row = ErasureRow(
        id=secrets.token_hex(12),
        subject=hashlib.sha256(subject.encode()).hexdigest(),
        collection=collection,
        templates=templates,
        photos=photos,
        erased_at=moment,
        complete_by=moment + within,
        digest="",
    )
    row.digest = digest_of(_erasure(row))
    session.add(row)
    session.flush()
    return _erasure(row)


def read_receipt(session: Session, erasure_id: str) -> Erasure:
    """By id. Raises ErasureNotFound."""
    row = session.get(ErasureRow, erasure_id)
    if row is None:
        raise ErasureNotFound("there is no receipt with this id")
    return _erasure(row)


def digest_of(erasure: Erasure) -> str:
    """SHA-256 of the fields but `digest`, as JSON with sorted keys and times in ISO 8601."""
    fields = {name: value for name, value in asdict(erasure).items() if name != "digest"}
    written = json.dumps(fields, sort_keys=True, default=datetime.isoformat)
    return hashlib.sha256(written.encode()).hexdigest()


def _erasure(row: ErasureRow) -> Erasure:
    return Erasure(
        row.id,
        row.subject,
        row.collection,
        row.templates,
        row.photos,
        row.erased_at,
        row.complete_by,
        row.digest,
    )
