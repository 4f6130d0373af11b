"""Encrypts streams in chunks with AES-256-GCM; memory use is constant.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015, "Online Authenticated-
Encryption and its Nonce-Reuse Misuse-Resistance"): the nonce of a chunk is a random prefix
(7 bytes), the chunk's number (4 bytes, big endian) and a flag (1 byte) that is 1 for the last
chunk. Removed, repeated, reordered or appended chunks therefore fail to decrypt, at every border.

A stream is `version (1 byte) | key id (4) | salt (32) | nonce prefix (7)`, followed by chunks of
1 MiB of plaintext (the last one may be shorter) with a tag of 16 bytes each. Every stream has a key
of its own, derived from the keyring's key and the salt: the prefix alone is too short to be unique
among many streams under one key. The reader recognises the last chunk by the end of its source, so
the source must end where the stream ends.
"""

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.crypto.keyring import KEY_ID_BYTES, Keyring
from app.errors import DecryptionFailed

CHUNK = 1 << 20
"""Bytes of plaintext in every chunk but the last."""

TAG = 16
_VERSION = b"\x02"
_PURPOSE = b"sima stream"
_SALT, _PREFIX = 32, 7
HEADER = len(_VERSION) + KEY_ID_BYTES + _SALT + _PREFIX
"""Bytes before the first chunk."""


class Writable(Protocol):
    """Where bytes are written to."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Writes all bytes and returns their number."""
        ...


class Readable(Protocol):
    """Where bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Returns `size` bytes, or fewer at the end; all remaining bytes for a negative size."""
        ...


class EncryptingWriter:
    """Writes the bytes that it is given encrypted to `stream`; `finish` writes the last chunk.

    `context` is authenticated with every chunk. A stream without `finish` cannot be read.
    """

    def __init__(self, stream: Writable, keyring: Keyring, context: str) -> None:
        salt, prefix = os.urandom(_SALT), os.urandom(_PREFIX)
        cipher = keyring.derive(keyring.newest_id, salt, _PURPOSE)
        self._stream, self._chunks = stream, _Chunks(cipher, prefix, context)
        self._pending = bytearray()
        stream.write(_VERSION + keyring.newest_id + salt + prefix)

    def write(self, data: bytes | memoryview) -> int:
        """Encrypts full chunks at once and keeps the rest, at most one chunk."""
        flat = memoryview(data).cast("B")
        for start in range(0, len(flat), CHUNK):
            self._pending += flat[start : start + CHUNK]
            while len(self._pending) > CHUNK:  # a full chunk may still be the last one
                self._stream.write(self._chunks.encrypt(bytes(self._pending[:CHUNK]), last=False))
                del self._pending[:CHUNK]
        return len(flat)

    def finish(self) -> None:
        """Writes the last chunk; call it once, after the last `write`."""
        self._stream.write(self._chunks.encrypt(bytes(self._pending), last=True))
        self._pending.clear()


class DecryptingReader:
    """Reads what an EncryptingWriter wrote to `stream`, which must end with it.

    The constructor and `read` raise DecryptionFailed for an unknown key or version, another
    context, changed bytes and for chunks that are missing, repeated, reordered or appended.
    """

    def __init__(self, stream: Readable, keyring: Keyring, context: str) -> None:
        header = stream.read(HEADER)
        if len(header) < HEADER or header[:1] != _VERSION:
            raise DecryptionFailed("not an encrypted stream of this version")
        key, rest = header[1 : 1 + KEY_ID_BYTES], header[1 + KEY_ID_BYTES :]
        cipher = keyring.derive(key, rest[:_SALT], _PURPOSE)
        self._chunks = _Chunks(cipher, rest[_SALT:], context)
        self._stream = stream
        self._next = stream.read(CHUNK + TAG)
        self._plain = bytearray()
        self._done = False

    def read(self, size: int = -1) -> bytes:
        """Returns `size` bytes, or fewer at the end; all remaining bytes for a negative size."""
        while not self._done and (size < 0 or len(self._plain) < size):
            self._plain += self._decrypt_next()
        wanted = len(self._plain) if size < 0 else size
        found = bytes(self._plain[:wanted])
        del self._plain[:wanted]
        return found

    def _decrypt_next(self) -> bytes:
        chunk, self._next = self._next, self._stream.read(CHUNK + TAG)
        self._done = not self._next
        return self._chunks.decrypt(chunk, last=self._done)


class _Chunks:
    """Encrypts or decrypts the chunks of one stream in order."""

    def __init__(self, cipher: AESGCM, prefix: bytes, context: str) -> None:
        self._cipher, self._prefix, self._context = cipher, prefix, context
        self._number = 0

    def encrypt(self, plaintext: bytes, last: bool) -> bytes:
        """Raises OverflowError after 2^32 chunks (4 PiB)."""
        return self._cipher.encrypt(self._nonce(last), plaintext, self._context.encode())

    def decrypt(self, ciphertext: bytes, last: bool) -> bytes:
        """Raises DecryptionFailed."""
        nonce = self._nonce(last)
        try:
            return self._cipher.decrypt(nonce, ciphertext, self._context.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: shorter than a tag
            raise DecryptionFailed(
                f"{self._context}: chunk {self._number} is damaged, misplaced or truncated"
            ) from error

    def _nonce(self, last: bool) -> bytes:
        nonce = self._prefix + self._number.to_bytes(4, "big") + bytes([last])
        self._number += 1
        return nonce
