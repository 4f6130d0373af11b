"""Encrypts short texts with AES-256-GCM (NIST SP 800-38D) and keys that can be rotated.

A ciphertext is `version (1 byte) | key id (4) | nonce (12) | ciphertext and tag (16)`. The first
key encrypts; every key decrypts. To rotate, prepend a new key, encrypt everything again with
it, and then delete the old key. `app.crypto.stream` encrypts files.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import DecryptionFailed, InvalidSetting

KEY_BYTES = 32
KEY_ID_BYTES = 4
_VERSION = b"\x01"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_HEADER_BYTES = len(_VERSION) + KEY_ID_BYTES + _NONCE_BYTES
OVERHEAD = _HEADER_BYTES + _TAG_BYTES
"""Bytes by which a ciphertext is longer than its plaintext."""


class Keyring:
    """AES-256 keys, newest first. An empty keyring is false: nothing is encrypted with it."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._ciphers = {known: AESGCM(key) for known, key in self._keys.items()}
        self._newest = key_id(keys[0]) if keys else b""

    def __bool__(self) -> bool:
        return bool(self._ciphers)

    @property
    def newest_id(self) -> bytes:
        """Id of the key that encrypts, KEY_ID_BYTES long; empty for an empty keyring."""
        return self._newest

    def has(self, known: bytes) -> bool:
        """Whether the key with this id is in the keyring."""
        return known in self._keys

    def encrypt(self, plaintext: bytes, context: str) -> bytes:
        """Encrypts with the newest key. `context`, such as "template ID", is authenticated."""
        nonce = os.urandom(_NONCE_BYTES)
        encrypted = self._ciphers[self._newest].encrypt(nonce, plaintext, context.encode())
        return _VERSION + self._newest + nonce + encrypted

    def decrypt(self, ciphertext: bytes, context: str) -> bytes:
        """Raises DecryptionFailed for an unknown key, another context or changed bytes."""
        used = _key_id_of(ciphertext)
        cipher = self._ciphers.get(used)
        if cipher is None or ciphertext[:1] != _VERSION:
            raise unknown_key(used)
        try:
            nonce = ciphertext[_HEADER_BYTES - _NONCE_BYTES : _HEADER_BYTES]
            return cipher.decrypt(nonce, ciphertext[_HEADER_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: truncated
            raise DecryptionFailed(
                f"{context}: changed or truncated after it was encrypted"
            ) from error

    def is_current(self, ciphertext: bytes) -> bool:
        """Whether the newest key encrypted it; false for a text that begins with another byte than
        a ciphertext."""
        return ciphertext[: len(_VERSION)] == _VERSION and _key_id_of(ciphertext) == self._newest

    def blind_indexes(self, text: str, purpose: str) -> tuple[str, ...]:
        """Keyed digests of a text, by which its ciphertext can be looked up: one for every key, the
        newest first. They reveal only whether two texts for one purpose are equal.

        Each is the first half of HMAC-SHA256 in hexadecimal; the key of the HMAC is derived by
        HKDF-SHA256 from the encryption key.
        """
        found = []
        for key in self._keys.values():
            info = f"sima blind index {purpose}".encode()
            hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info)
            digest = hmac.digest(hkdf.derive(key), text.encode(), "sha256")
            found.append(digest[: len(digest) // 2].hex())
        return tuple(found)

    def derive(self, known: bytes, salt: bytes, purpose: bytes) -> AESGCM:
        """Cipher with a key derived by HKDF-SHA256 (RFC 5869) from the key with the id `known`.

        Raises DecryptionFailed for an unknown key id.
        """
        if known not in self._keys:
            raise unknown_key(known)
        hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=purpose)
        return AESGCM(hkdf.derive(self._keys[known]))


def unknown_key(known: bytes) -> DecryptionFailed:
    """The error for a ciphertext whose key is not in the keyring."""
    return DecryptionFailed(
        f"encrypted with the key {known.hex()}, which is not in the encryption keys"
    )


def key_id(key: bytes) -> bytes:
    """First KEY_ID_BYTES bytes of a SHA-256 digest: identifies a key without revealing it."""
    return hashlib.sha256(b"sima key id" + key).digest()[:KEY_ID_BYTES]


def new_key() -> str:
    """A random key in the format of the settings: 32 bytes in base64."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def read_keys(setting: str | None, file: Path | None) -> list[bytes]:
    """Parses keys separated by commas or lines, newest first. Raises InvalidSetting."""
    if setting and file is not None:
        raise InvalidSetting(
            "SIMA_ENCRYPTION_KEYS and SIMA_ENCRYPTION_KEY_FILE are both set; set one of them"
        )
    if file is not None:
        try:
            setting = file.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise InvalidSetting(
                "SIMA_ENCRYPTION_KEY_FILE: the file cannot be read; check the path"
            ) from error
    words = (setting or "").replace(",", "\n").split()
    return [_decode(word) for word in words]


def _decode(word: str) -> bytes:
    try:
        key = base64.b64decode(word, validate=True)
    except ValueError as error:
        raise InvalidSetting(
            "SIMA_ENCRYPTION_KEYS: a key is not base64; create one with `sima keys new`"
        ) from error
    if len(key) != KEY_BYTES:
        raise InvalidSetting(f"SIMA_ENCRYPTION_KEYS: a key has {len(key)} bytes, not {KEY_BYTES}")
    return key


def _key_id_of(ciphertext: bytes) -> bytes:
    return ciphertext[len(_VERSION) : len(_VERSION) + KEY_ID_BYTES]
