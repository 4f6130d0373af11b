"""Re-encrypts stored personal data with the newest key, one transaction per block of rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Select, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import InvalidSetting
from app.store.db.database import Database
from app.store.db.detection_table import DetectionRow
from app.store.db.encryption import (
    ImageKind,
    decrypt_detection,
    decrypt_image,
    decrypt_metadata,
    decrypt_vectors,
    encrypt_detection,
    encrypt_image,
    encrypt_metadata,
    encrypt_vector,
    keyring_of,
    metadata_ciphertext,
)
from app.store.db.image_tables import CropRow, ImageRow, PhotoRow
from app.store.db.person_texts import decrypt_texts, encrypt_texts, text_ciphertexts
from app.store.db.rejection_table import RejectionRow
from app.store.db.tables import (
    GALLERY,
    SHADOW,
    VISITORS,
    Base,
    CollectionRow,
    EmbeddingSpaceRow,
    EntryRow,
    TemplateRow,
)

_BLOCK = 500
_DIMENSION = EmbeddingSpaceRow.dimension
_PLAIN = EntryRow.name_index.is_(None)  # every change of a person encrypts all fields


@dataclass(frozen=True, slots=True)
class Reencrypted:
    """Numbers of rows that were encrypted with another key or not encrypted."""

    templates: int
    people: int
    photos: int
    crops: int
    detections: int
    rejections: int


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows in a block, how many of them were re-encrypted, and the row id of the last one."""

    rows: int
    changed: int
    last: int


_Step = Callable[[Session, int], _Block]
"""Re-encrypts the block of rows after a row id."""

_IsOutdated = Callable[[bytes | None], bool]
"""Whether a ciphertext must be replaced; None is a text that is not encrypted."""


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
        photos=_all(database, partial(_template_column, _PHOTOS), progress),
        crops=_all(database, partial(_template_column, _CROPS), progress),
        detections=_all(database, partial(_template_column, _DETECTIONS), progress),
        rejections=_all(database, _rejections, progress),
    )


def encrypt_people(database: Database) -> int:
    """Encrypts the names, external ids and metadata of people whose name is not encrypted; returns
    their number. Does nothing with an empty keyring. Can be interrupted and repeated.

    Takes no write lock if there is nothing to do. Raises NotReady, Overloaded.
    """
    if not database.keyring:
        return 0
    with database.read() as session:
        if session.scalar(_people_query(0).where(_PLAIN).limit(1)) is None:
            return 0
    return _all(database, _plain_people, lambda _rows: None)


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
        .where(CollectionRow.kind.in_((GALLERY, SHADOW, VISITORS)), TemplateRow.row_id > after)
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
    keyring = keyring_of(session)

    def is_outdated(ciphertext: bytes | None) -> bool:
        return ciphertext is None or not keyring.is_current(ciphertext)

    return _reencrypt_people(session, _people_query(after), after, is_outdated)


def _plain_people(session: Session, after: int) -> _Block:
    """Leaves what any key has encrypted as it is: the key may be missing."""
    query = _people_query(after).where(_PLAIN)
    return _reencrypt_people(session, query, after, lambda ciphertext: ciphertext is None)


def _people_query(after: int) -> Select[EntryRow]:
    return (
        select(EntryRow)
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
        .where(CollectionRow.kind.in_((GALLERY, VISITORS)), EntryRow.row_id > after)
    )


def _reencrypt_people(
    session: Session, people: Select[EntryRow], after: int, is_outdated: _IsOutdated
) -> _Block:
    query = people.order_by(EntryRow.row_id).limit(_BLOCK).with_for_update(of=EntryRow)
    rows = list(session.scalars(query))
    changed = sum(_reencrypt_person(session, row, is_outdated) for row in rows)
    session.flush()
    return _Block(len(rows), changed, rows[-1].row_id if rows else after)


def _reencrypt_person(session: Session, row: EntryRow, is_outdated: _IsOutdated) -> bool:
    """Encrypts the fields whose ciphertext is outdated; returns whether there was one."""
    person_id, changed = str(row.public_id), False
    if row.attributes and is_outdated(metadata_ciphertext(row.attributes)):
        metadata = decrypt_metadata(session, person_id, row.attributes)
        row.attributes, changed = encrypt_metadata(session, person_id, metadata), True
    if any(is_outdated(ciphertext) for ciphertext in text_ciphertexts(row)):
        columns = encrypt_texts(session, person_id, *decrypt_texts(session, row))
        for column, value in columns.items():
            setattr(row, column, value)
        changed = True
    return changed


@dataclass(frozen=True, slots=True)
class _TemplateColumn:
    """An encrypted column of a table with at most one row per template, the key of the table, and
    the functions of the column, which are bound to the template id that clients use."""

    table: type[Base]
    key: InstrumentedAttribute[int]
    column: InstrumentedAttribute[bytes]
    decrypt: Callable[[Session, str, bytes], bytes]
    encrypt: Callable[[Session, str, bytes], bytes]


def _images(table: type[ImageRow], kind: ImageKind) -> _TemplateColumn:
    def decrypt(session: Session, template_id: str, ciphertext: bytes) -> bytes:
        return decrypt_image(session, kind, template_id, ciphertext)

    def encrypt(session: Session, template_id: str, image: bytes) -> bytes:
        return encrypt_image(session, kind, template_id, image)

    return _TemplateColumn(table, table.template_row_id, table.ciphertext, decrypt, encrypt)


_PHOTOS = _images(PhotoRow, "photo")
_CROPS = _images(CropRow, "crop")
_DETECTIONS = _TemplateColumn(
    DetectionRow,
    DetectionRow.template_row_id,
    DetectionRow.content,
    decrypt_detection,
    encrypt_detection,
)


def _template_column(of: _TemplateColumn, session: Session, after: int) -> _Block:
    query = (
        select(of.key, TemplateRow.template_id, of.column)
        .join(TemplateRow, TemplateRow.row_id == of.key)
        .where(of.key > after)
        .order_by(of.key)
        .limit(_BLOCK)
        .with_for_update(of=of.table)
    )
    rows = session.execute(query).all()
    keyring, changed = keyring_of(session), 0
    for row_id, template_id, stored in rows:
        if keyring.is_current(stored):
            continue
        plaintext = of.decrypt(session, str(template_id), stored)
        ciphertext = of.encrypt(session, str(template_id), plaintext)
        values = {of.column: ciphertext}
        session.execute(update(of.table).where(of.key == row_id).values(values))
        changed += 1
    return _Block(len(rows), changed, rows[-1][0] if rows else after)


def _rejections(session: Session, after: int) -> _Block:
    query = (
        select(RejectionRow, _DIMENSION)
        .join(EmbeddingSpaceRow, EmbeddingSpaceRow.row_id == RejectionRow.space_id)
        .where(RejectionRow.row_id > after)
        .order_by(RejectionRow.row_id)
        .limit(_BLOCK)
        .with_for_update(of=RejectionRow)
    )
    rows = session.execute(query).all()
    keyring, changed = keyring_of(session), 0
    for row, dimension in rows:
        assert row.vector is not None, "it is stored with its space"
        if keyring.is_current(row.vector) and len(row.vector) != 4 * dimension:
            continue
        [vector] = decrypt_vectors(session, [(row.public_id, row.vector)], dimension)
        row.vector = encrypt_vector(session, row.public_id, vector)
        changed += 1
    session.flush()
    return _Block(len(rows), changed, rows[-1][0].row_id if rows else after)
