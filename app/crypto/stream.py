"""A file's body in sealed pieces, so that gigabytes are never in memory twice.

Each piece is its length (8 bytes, little endian) and a sealed text that knows its number and
whether it is the last: pieces cannot be left out, doubled or put in another order.
"""

import struct
from typing import IO

from app.crypto.keyring import OVERHEAD, Keyring

_PIECE = 1 << 20
_LENGTH = struct.Struct("<Q")


class EncryptingWriter:
    """Takes bytes, writes sealed pieces; `finish` writes the last one."""

    def __init__(self, stream: IO[bytes], keyring: Keyring, context: str) -> None:
        self._stream, self._keyring, self._context = stream, keyring, context
        self._waiting = bytearray()
        self._number = 0

    def write(self, plain: bytes | memoryview) -> int:
        """Like a file's."""
        flat = memoryview(plain).cast("B")
        for start in range(0, len(flat), _PIECE):
            self._waiting += flat[start : start + _PIECE]
            while len(self._waiting) > _PIECE:
                self._put(bytes(self._waiting[:_PIECE]), last=False)
                del self._waiting[:_PIECE]
        return len(flat)

    def finish(self) -> None:
        """Nothing comes after this."""
        self._put(bytes(self._waiting), last=True)

    def _put(self, plain: bytes, last: bool) -> None:
        sealed = self._keyring.encrypt(plain, _context(self._context, self._number, last))
        self._stream.write(_LENGTH.pack(len(sealed)))
        self._stream.write(sealed)
        self._number += 1


class DecryptingReader:
    """Reads what a EncryptingWriter wrote. Raises DecryptionFailed, ValueError where it is cut."""

    def __init__(self, stream: IO[bytes], keyring: Keyring, context: str) -> None:
        self._stream, self._keyring, self._context = stream, keyring, context
        self._ready = bytearray()
        self._number, self._done = 0, False

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or all that are left."""
        while not self._done and (size < 0 or len(self._ready) < size):
            self._ready += self._next()
        wanted = len(self._ready) if size < 0 else size
        found = bytes(self._ready[:wanted])
        del self._ready[:wanted]
        return found

    def _next(self) -> bytes:
        head = self._stream.read(_LENGTH.size)
        size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if not OVERHEAD <= size <= _PIECE + OVERHEAD:
            raise ValueError("it ends too early")
        sealed = self._stream.read(size)
        # A full piece may be the last one, too; a shorter one is.
        self._done = size < _PIECE + OVERHEAD or self._is_end()
        plain = self._keyring.decrypt(sealed, _context(self._context, self._number, self._done))
        self._number += 1
        return plain

    def _is_end(self) -> bool:
        """Whether what follows can't be a piece: the file's own digest is as long as that."""
        place = self._stream.tell()
        left = self._stream.seek(0, 2) - place
        self._stream.seek(place)
        return left < _LENGTH.size + OVERHEAD


def _context(context: str, number: int, last: bool) -> str:
    return f"{context} {number} {'last' if last else 'more'}"
