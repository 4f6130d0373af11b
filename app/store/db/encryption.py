"""Encrypts personal data before it is stored: templates, metadata, photos and crops of galleries.

The session carries the keyring. With an empty keyring data is stored unencrypted; data that was
stored before there were keys remains readable.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.crypto.keyring import OVERHEAD, Keyring
from app.store.db.vector_bytes import to_bytes, to_matrix
from app.vectors import Matrix, Vector

_FLOAT_BYTES = 4
ImageKind = Literal["photo", "crop"]
"""The stored images of templates: the file as it was sent, and the aligned face."""

StoredVector = tuple[str | None, bytes]
"""The public id of a template (None for a word) and its column `vector`."""


def keyring_of(session: Session) -> Keyring:
    """The keyring that Database attached to the session."""
    keyring = session.info["keyring"]
    assert isinstance(keyring, Keyring)
    return keyring


def encrypt_vector(session: Session, template_id: str, vector: Vector) -> bytes:
    """The column `vector` of a person's template; not encrypted with an empty keyring."""
    keyring, plaintext = keyring_of(session), to_bytes(vector)
    return keyring.encrypt(plaintext, _template(template_id)) if keyring else plaintext


def decrypt_vectors(session: Session, stored: Sequence[StoredVector], dimension: int) -> Matrix:
    """Unit vectors, shape (len(stored), dimension). Raises DecryptionFailed."""
    keyring = keyring_of(session)
    plaintexts = [
        keyring.decrypt(column, _template(str(template_id)))
        if is_encrypted(column, dimension)
        else column
        for template_id, column in stored
    ]
    return to_matrix(plaintexts, dimension)


def is_encrypted(stored: bytes, dimension: int) -> bool:
    """Whether a stored vector is encrypted, which its length shows."""
    return len(stored) == dimension * _FLOAT_BYTES + OVERHEAD


def encrypt_metadata(session: Session, person_id: str, metadata: dict[str, Any]) -> Any:
    """The JSON column: a base64 string if encrypted, else the object itself.

    Empty metadata is not encrypted.
    """
    keyring = keyring_of(session)
    if not keyring or not metadata:
        return metadata
    ciphertext = keyring.encrypt(json.dumps(metadata).encode(), _metadata(person_id))
    return base64.b64encode(ciphertext).decode()


def decrypt_metadata(session: Session, person_id: str, stored: Any) -> dict[str, Any]:
    """The metadata of a JSON column, encrypted or not. Raises DecryptionFailed."""
    if isinstance(stored, str):
        plaintext = keyring_of(session).decrypt(base64.b64decode(stored), _metadata(person_id))
        stored = json.loads(plaintext)
    assert isinstance(stored, dict)
    return stored


def decrypt_metadata_text(session: Session, person_id: str, column: str) -> str:
    """The JSON text of metadata, from the text of the JSON column, encrypted or not.

    The text is not parsed. Raises DecryptionFailed, and ValueError for damaged base64.
    """
    if not column.startswith('"'):
        return column
    ciphertext = base64.b64decode(json.loads(column), validate=True)
    return keyring_of(session).decrypt(ciphertext, _metadata(person_id)).decode()


def metadata_ciphertext(stored: Any) -> bytes | None:
    """The ciphertext in a JSON column; None if the column is not encrypted."""
    return base64.b64decode(stored) if isinstance(stored, str) else None


def encrypt_image(session: Session, kind: ImageKind, template_id: str, image: bytes) -> bytes:
    """The column `ciphertext` of a photo or a crop; they are stored only if there are keys."""
    return keyring_of(session).encrypt(image, _image(kind, template_id))


def decrypt_image(session: Session, kind: ImageKind, template_id: str, ciphertext: bytes) -> bytes:
    """The image file. Raises DecryptionFailed."""
    return keyring_of(session).decrypt(ciphertext, _image(kind, template_id))


def encrypt_detection(session: Session, template_id: str, content: bytes) -> bytes:
    """The column `content` of a detection: JSON text; not encrypted with an empty keyring."""
    keyring = keyring_of(session)
    return keyring.encrypt(content, _detection(template_id)) if keyring else content


def decrypt_detection(session: Session, template_id: str, column: bytes) -> bytes:
    """The JSON text, encrypted or not. Raises DecryptionFailed."""
    if column.startswith(b"{"):  # a ciphertext starts with its version
        return column
    return keyring_of(session).decrypt(column, _detection(template_id))


# Contexts: a ciphertext cannot be moved to another row or column.


def _template(template_id: str) -> str:
    return f"template {template_id}"


def _metadata(person_id: str) -> str:
    return f"metadata {person_id}"


def _detection(template_id: str) -> str:
    return f"detection {template_id}"


def _image(kind: ImageKind, template_id: str) -> str:
    return f"{kind} {template_id}"
