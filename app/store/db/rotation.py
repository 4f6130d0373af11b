"""Re-encrypts stored personal data with the newest key, one transaction per block of rows."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.errors import InvalidSetting
from app.store.db.database import Database
from app.store.db.detection_table import DetectionRow
from app.store.db.encryption import (
    decrypt_detection,
    decrypt_metadata,
    decrypt_photo,
    decrypt_vectors,
    encrypt_detection,
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


@dataclass(frozen=True, slots=True)
class Reencrypted:
    """Numbers of rows that were encrypted with another key or not encrypted."""

    templates: int
    people: int
    photos: int
    detections: int


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows in a block, how many of them were re-encrypted, and the row id of the last one."""

    rows: int
    changed: int
    last: int


_Step = Callable[[Session, int], _Block]
"""Re-encrypts the block of rows after a row id."""


def rotate(database: Database, progress: Callable[[int], None]) -> Reencrypted:
    """Encrypts all stored personal data with the newest key. Can be interrupted and repeated.

    `progress` receives the number of rows in each block. Raises InvalidSetting for an empty
    keyring, DecryptionFailed for data encrypted with a key that is not in the keyring.
    """
    if not database.keyring:
        raise InvalidSetting("SIMA_ENCRYPTION_KEYS: no key is set; create one with `sima keys new`")
    return Reencrypted(
        templates=_all(database, _templates, progress),
        people=_all(database, _people, progress),
        photos=_all(database, _photos, progress),
        detections=_all(database, _detections, progress),
    )


def _all(database: Database, step: _Step, progress: Callable[[int], None]) -> int:
    last, total = 0, 0
    while True:
        with database.write() as session:
            block = step(session, last)
        progress(block.rows)
        last = block.last
        total += block.changed
        if block.rows < _BLOCK:
            return total


def _templates(session: Session, after: int) -> _Block:
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
        ciphertext = encrypt_vector(session, str(public_id), vector)
        session.execute(
            update(TemplateRow).where(TemplateRow.row_id == row_id).values(vector=ciphertext)
        )
        changed += 1
    return _Block(len(rows), changed, rows[-1][0] if rows else after)


def _people(session: Session, after: int) -> _Block:
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
        ciphertext = metadata_ciphertext(row.attributes)
        if ciphertext is None and not row.attributes:
            continue
        if ciphertext and keyring.is_current(ciphertext):
            continue
        person_id = str(row.public_id)
        metadata = decrypt_metadata(session, person_id, row.attributes)
        row.attributes = encrypt_metadata(session, person_id, metadata)
        changed += 1
    session.flush()
    return _Block(len(rows), changed, rows[-1].row_id if rows else after)


def _photos(session: Session, after: int) -> _Block:
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
    return _Block(len(rows), changed, rows[-1][0].template_row_id if rows else after)


def _detections(session: Session, after: int) -> _Block:
    query = (
        select(DetectionRow, TemplateRow.template_id)
        .join(TemplateRow, TemplateRow.row_id == DetectionRow.template_row_id)
        .where(DetectionRow.template_row_id > after)
        .order_by(DetectionRow.template_row_id)
        .limit(_BLOCK)
        .with_for_update(of=DetectionRow)
    )
    rows = session.execute(query).all()
    keyring, changed = keyring_of(session), 0
    for row, template_id in rows:
        if row.content.startswith(b"{") or not keyring.is_current(row.content):
            content = decrypt_detection(session, str(template_id), row.content)
            row.content = encrypt_detection(session, str(template_id), content)
            changed += 1
    session.flush()
    return _Block(len(rows), changed, rows[-1][0].template_row_id if rows else after)
