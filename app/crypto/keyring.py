"""Sealing what is kept about people: AES-256-GCM (NIST SP 800-38D) with keys that can change.

A sealed text is `version (1 byte) | key id (4) | nonce (12) | ciphertext and tag (16)`. The first
key seals, every key opens: rotation is a new key in front, sealing anew, and the old key out.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.errors import DecryptionFailed, InvalidSetting

KEY_BYTES = 32
_VERSION = b"\x01"
_ID_BYTES, _NONCE_BYTES, _TAG_BYTES = 4, 12, 16
_HEAD = len(_VERSION) + _ID_BYTES + _NONCE_BYTES
OVERHEAD = _HEAD + _TAG_BYTES
"""Bytes by which a sealed text is longer."""


class Keyring:
    """Keys, newest first; none of them: nothing is sealed, and nothing sealed can be opened."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._newest = key_id(keys[0]) if keys else b""

    def __bool__(self) -> bool:
        return bool(self._ciphers)

    @property
    def newest(self) -> str:
        """The id of the key that seals, in hexadecimal; empty without keys."""
        return self._newest.hex()

    def encrypt(self, plain: bytes, context: str) -> bytes:
        """Only who knows the key and `context`, which says what it is, can open it."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, plain, context.encode())
        return _VERSION + self._newest + nonce + sealed

    def decrypt(self, sealed: bytes, context: str) -> bytes:
        """Returns the plaintext. Raises DecryptionFailed for a missing key or changed bytes."""
        cipher = self._ciphers.get(_key_of(sealed))
        if cipher is None or sealed[:1] != _VERSION:
            raise DecryptionFailed(
                f"sealed with the key {_key_of(sealed).hex()}, which is not given"
            )
        try:
            nonce = sealed[_HEAD - _NONCE_BYTES : _HEAD]
            return cipher.decrypt(nonce, sealed[_HEAD:], context.encode())
        except InvalidTag as error:
            raise DecryptionFailed(f"{context}: it was changed after it was sealed") from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the newest key sealed it."""
        return _key_of(sealed) == self._newest


def key_id(key: bytes) -> bytes:
    """Four bytes that tell keys apart and say nothing about them."""
    return hashlib.sha256(b"sima key id" + key).digest()[:_ID_BYTES]


def new_key() -> str:
    """A fresh key, as the settings take it: 32 random bytes in base64."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def read_keys(written: str | None, file: Path | None) -> list[bytes]:
    """Keys separated by commas or lines, newest first. Raises InvalidSetting."""
    if written and file is not None:
        raise InvalidSetting("encryption_keys and encryption_key_file: only one of them")
    if file is not None:
        try:
            written = file.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise InvalidSetting("encryption_key_file: it cannot be read") from error
    words = (written or "").replace(",", "\n").split()
    return [_decode(word) for word in words]


def _decode(word: str) -> bytes:
    try:
        key = base64.b64decode(word, validate=True)
    except binascii.Error as error:
        raise InvalidSetting("encryption_keys: a key is not base64") from error
    if len(key) != KEY_BYTES:
        raise InvalidSetting(f"encryption_keys: a key has {len(key)} bytes, not {KEY_BYTES}")
    return key


def _key_of(sealed: bytes) -> bytes:
    return sealed[len(_VERSION) : len(_VERSION) + _ID_BYTES]
