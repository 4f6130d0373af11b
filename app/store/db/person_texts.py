"""Encrypts the names and external ids of people, and looks them up by blind indexes.

A column beside the text contains its blind index (`Keyring.blind_indexes`) if the text is
encrypted, else null: encrypted and plain texts may exist side by side, and no plain text is taken
for a ciphertext. Only whole texts can be looked up.
"""

import base64
import unicodedata
from collections.abc import Sequence
from typing import Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.store.db.encryption import keyring_of
from app.store.db.tables import EntryRow

PersonText = Literal["name", "external_id"]

_COLUMNS: dict[
    PersonText, tuple[InstrumentedAttribute[str | None], InstrumentedAttribute[str | None]]
] = {
    "name": (EntryRow.name, EntryRow.name_index),
    "external_id": (EntryRow.external_id, EntryRow.external_id_index),
}


def encrypt_texts(
    session: Session, person_id: str, name: str, external_id: str | None
) -> dict[str, str | None]:
    """The columns of EntryRow for the texts of a person; not encrypted with an empty keyring.

    `name_folded` is the folded name if the name is not encrypted.
    """
    texts: dict[PersonText, str | None] = {"name": name, "external_id": external_id}
    keyring, columns = keyring_of(session), dict[str, str | None]()
    for field, text in texts.items():
        stored, index = text, None
        if keyring and text is not None:
            ciphertext = keyring.encrypt(text.encode(), _context(field, person_id))
            stored = base64.b64encode(ciphertext).decode()
            index = keyring.blind_indexes(text, field)[0]
        columns |= {field: stored, f"{field}_index": index}
    columns["name_folded"] = None if keyring else fold(name)
    return columns


def fold(text: str) -> str:
    """The text without differences of case, with composed letters (NFC), for comparisons."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def decrypt_name(session: Session, person_id: str, stored: str, index: str | None) -> str:
    """The name, from its column and the blind index. Raises DecryptionFailed."""
    return _decrypt(session, person_id, "name", stored, index)


def decrypt_external_id(
    session: Session, person_id: str, stored: str | None, index: str | None
) -> str | None:
    """The external id, from its column and the blind index. Raises DecryptionFailed."""
    return None if stored is None else _decrypt(session, person_id, "external_id", stored, index)


def decrypt_texts(session: Session, row: EntryRow) -> tuple[str, str | None]:
    """The name and the external id of a person. Raises DecryptionFailed."""
    person_id = str(row.public_id)
    return (
        decrypt_name(session, person_id, row.name, row.name_index),
        decrypt_external_id(session, person_id, row.external_id, row.external_id_index),
    )


def text_ciphertexts(row: EntryRow) -> list[bytes | None]:
    """The ciphertext of each text that the person has; None for one that is not encrypted."""
    found = [_ciphertext(row.name, row.name_index)]
    if row.external_id is not None:
        found.append(_ciphertext(row.external_id, row.external_id_index))
    return found


def has_text(
    session: Session, collection_row_id: int, field: PersonText, texts: Sequence[str]
) -> ColumnElement[bool]:
    """Whether a person of the gallery has one of the texts, encrypted with any key or not.

    Each kind is a query of its own with an index of its own: for an OR, SQLite reads the whole
    gallery. For the same reason, the index of the blind indexes must not serve the plain texts.
    """
    stored, index = _COLUMNS[field]
    people = select(EntryRow.row_id).where(EntryRow.collection_id == collection_row_id)
    plain = people.where(stored.in_(texts), func.coalesce(index, "") == "")
    keyring = keyring_of(session)
    if not keyring:
        return EntryRow.row_id.in_(plain)
    indexes = [one for text in texts for one in keyring.blind_indexes(text, field)]
    return EntryRow.row_id.in_(plain.union_all(people.where(index.in_(indexes))))


def _decrypt(
    session: Session, person_id: str, field: PersonText, stored: str, index: str | None
) -> str:
    ciphertext = _ciphertext(stored, index)
    if ciphertext is None:
        return stored
    return keyring_of(session).decrypt(ciphertext, _context(field, person_id)).decode()


def _ciphertext(stored: str, index: str | None) -> bytes | None:
    return None if index is None else base64.b64decode(stored)


def _context(field: PersonText, person_id: str) -> str:
    """What the encryption is bound to: a ciphertext cannot be moved to another row or column."""
    return f"{field} {person_id}"
