"""Sealing anew with the newest key, a block a transaction, beside everything else."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.errors import InvalidSetting
from app.store.db.database import Database
from app.store.db.encryption import (
    decrypt_metadata,
    decrypt_photo,
    decrypt_vectors,
    encrypt_metadata,
    encrypt_photo,
    encrypt_vector,
    keyring_of,
    metadata_ciphertext,
)
from app.store.db.tables import (
    GALLERY,
    SHADOW,
    CollectionRow,
    EmbeddingSpaceRow,
    EntryRow,
    PhotoRow,
    TemplateRow,
)

_BLOCK = 500
_DIMENSION = EmbeddingSpaceRow.dimension

Step = Callable[[Session, int], tuple[int, int, int]]
"""Looks at rows behind an id: the last id, how many were there, how many were sealed anew."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """Rows that were sealed with another key, or not at all."""

    templates: int
    people: int
    photos: int


def rotate(database: Database, progress: Callable[[int], None]) -> Rotated:
    """Seal what is kept about people with the newest key. May be stopped, and run again.

    Raises InvalidSetting without keys, DecryptionFailed where an older key is missing.
    """
    if not database.keyring:
        raise InvalidSetting("SIMA_ENCRYPTION_KEYS: no key is set; create one with `sima keys new`")
    counts = [_all(database, step, progress) for step in (_templates, _people, _photos)]
    return Rotated(*counts)


def _all(database: Database, step: Step, progress: Callable[[int], None]) -> int:
    last, total = 0, 0
    while True:
        with database.write() as session:
            last, seen, changed = step(session, last)
        progress(seen)
        total += changed
        if seen < _BLOCK:
            return total


def _templates(session: Session, after: int) -> tuple[int, int, int]:
    query = (
        select(TemplateRow.row_id, TemplateRow.public_id, TemplateRow.vector, _DIMENSION)
        .join(CollectionRow, CollectionRow.row_id == TemplateRow.collection_id)
        .join(EmbeddingSpaceRow, EmbeddingSpaceRow.row_id == CollectionRow.space_id)
        .where(CollectionRow.kind.in_((GALLERY, SHADOW)), TemplateRow.row_id > after)
        .order_by(TemplateRow.row_id)
        .limit(_BLOCK)
        .with_for_update(of=TemplateRow)
    )
    rows = session.execute(query).all()
    keyring, changed = keyring_of(session), 0
    for row_id, public_id, stored, dimension in rows:
        if keyring.is_current(stored) and len(stored) != 4 * dimension:
            continue
        [vector] = decrypt_vectors(session, [(public_id, stored)], dimension)
        sealed = encrypt_vector(session, str(public_id), vector)
        session.execute(
            update(TemplateRow).where(TemplateRow.row_id == row_id).values(vector=sealed)
        )
        changed += 1
    return (rows[-1][0] if rows else after), len(rows), changed


def _people(session: Session, after: int) -> tuple[int, int, int]:
    query = (
        select(EntryRow)
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
        .where(CollectionRow.kind == GALLERY, EntryRow.row_id > after)
        .order_by(EntryRow.row_id)
        .limit(_BLOCK)
        .with_for_update(of=EntryRow)
    )
    rows = list(session.scalars(query))
    keyring, changed = keyring_of(session), 0
    for row in rows:
        sealed = metadata_ciphertext(row.attributes)
        if (sealed is None and not row.attributes) or (sealed and keyring.is_current(sealed)):
            continue
        person_id = str(row.public_id)
        plain = decrypt_metadata(session, person_id, row.attributes)
        row.attributes = encrypt_metadata(session, person_id, plain)
        changed += 1
    session.flush()
    return (rows[-1].row_id if rows else after), len(rows), changed


def _photos(session: Session, after: int) -> tuple[int, int, int]:
    query = (
        select(PhotoRow, TemplateRow.template_id)
        .join(TemplateRow, TemplateRow.row_id == PhotoRow.template_row_id)
        .where(PhotoRow.template_row_id > after)
        .order_by(PhotoRow.template_row_id)
        .limit(_BLOCK)
        .with_for_update(of=PhotoRow)
    )
    rows = session.execute(query).all()
    keyring, changed = keyring_of(session), 0
    for row, public_id in rows:
        if not keyring.is_current(row.ciphertext):
            image = decrypt_photo(session, str(public_id), row.ciphertext)
            row.ciphertext = encrypt_photo(session, str(public_id), image)
            changed += 1
    session.flush()
    return (rows[-1][0].template_row_id if rows else after), len(rows), changed
