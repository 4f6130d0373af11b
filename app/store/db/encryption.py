"""What the tables hold about people, sealed on the way in and opened on the way out.

The keyring comes with the session. Without keys everything is kept as it is; what was written
before there were keys stays readable.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.crypto.keyring import OVERHEAD, Keyring
from app.store.db.vector_bytes import to_bytes, to_matrix
from app.vectors import Matrix, Vector

_FLOAT = 4
Stored = tuple[str | None, bytes]
"""A template's public id (None for a word's) and its bytes."""


def keyring_of(session: Session) -> Keyring:
    """The keys that came with the session."""
    keyring = session.info["keyring"]
    assert isinstance(keyring, Keyring)
    return keyring


def encrypt_vector(session: Session, template_id: str, vector: Vector) -> bytes:
    """A person's template for the table."""
    keyring, plain = keyring_of(session), to_bytes(vector)
    return keyring.encrypt(plain, _template(template_id)) if keyring else plain


def decrypt_vectors(session: Session, stored: Sequence[Stored], dimension: int) -> Matrix:
    """Rows from the table, shape (len(stored), dimension). Raises DecryptionFailed."""
    keyring = keyring_of(session)
    plain = [
        keyring.decrypt(found, _template(str(template_id)))
        if is_encrypted(found, dimension)
        else found
        for template_id, found in stored
    ]
    return to_matrix(plain, dimension)


def is_encrypted(stored: bytes, dimension: int) -> bool:
    """By its length: a sealed vector is longer than a plain one."""
    return len(stored) == dimension * _FLOAT + OVERHEAD


def encrypt_metadata(session: Session, person_id: str, metadata: dict[str, Any]) -> Any:
    """For the JSON column: a string when sealed, so that no object can be taken for it."""
    keyring = keyring_of(session)
    if not keyring or not metadata:
        return metadata
    sealed = keyring.encrypt(json.dumps(metadata).encode(), _metadata(person_id))
    return base64.b64encode(sealed).decode()


def decrypt_metadata(session: Session, person_id: str, kept: Any) -> dict[str, Any]:
    """The object that was sealed, or one that never was. Raises DecryptionFailed."""
    if isinstance(kept, str):
        plain = keyring_of(session).decrypt(base64.b64decode(kept), _metadata(person_id))
        kept = json.loads(plain)
    assert isinstance(kept, dict)
    return kept


def metadata_ciphertext(kept: Any) -> bytes | None:
    """The sealed bytes in the JSON column; None where it is no sealed text."""
    return base64.b64decode(kept) if isinstance(kept, str) else None


def encrypt_photo(session: Session, template_id: str, image: bytes) -> bytes:
    """A photo for the table; there are none without keys."""
    return keyring_of(session).encrypt(image, _photo(template_id))


def decrypt_photo(session: Session, template_id: str, sealed: bytes) -> bytes:
    """The photo's bytes. Raises DecryptionFailed."""
    return keyring_of(session).decrypt(sealed, _photo(template_id))


def _template(template_id: str) -> str:
    return f"template {template_id}"


def _metadata(person_id: str) -> str:
    return f"metadata {person_id}"


def _photo(template_id: str) -> str:
    return f"photo {template_id}"
