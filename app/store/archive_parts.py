"""Streams of the parts of an archive: digests, encryption and arrays, in constant memory."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from numpy.lib import format as npy

from app.crypto.keyring import Keyring
from app.crypto.stream import DecryptingReader, EncryptingWriter, Readable, Writable
from app.errors import InvalidArchive
from app.vectors import Matrix

_BLOCK = 1 << 20  # bytes
_STORED = np.dtype("<f4")


def write_part(
    archive: zipfile.ZipFile, name: str, blocks: Iterable[bytes], keyring: Keyring
) -> str:
    """Writes a part block by block, encrypted if there are keys; returns the SHA-256 of its bytes
    in the archive, in hexadecimal."""
    with archive.open(name, "w", force_zip64=True) as member:
        part = _HashingWriter(member)
        if not keyring:
            for block in blocks:
                part.write(block)
        else:
            encrypting = EncryptingWriter(part, keyring, context(name))
            for block in blocks:
                encrypting.write(block)
            encrypting.finish()
    return part.digest.hexdigest()


def digest_of_part(archive: zipfile.ZipFile, name: str) -> str:
    """Reads a part and returns its SHA-256 in hexadecimal. Raises InvalidArchive."""
    digest = hashlib.sha256()
    with open_part(archive, name) as member:
        while block := member.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def open_part(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """Opens a part as it is stored. Raises InvalidArchive, also for errors of later reads."""
    try:
        with archive.open(name) as member:
            yield member
    except (KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidArchive(f"{name} of the archive is missing or damaged") from error


class PartReader(io.RawIOBase):
    """Reads a part and computes the digest of its stored bytes; decrypts it with a keyring.

    `keyring` is None for a part that is not encrypted. Reading raises DecryptionFailed.
    """

    def __init__(self, member: Readable, name: str, keyring: Keyring | None) -> None:
        self._stored = _HashingReader(member)
        self._plain: Readable = self._stored
        if keyring is not None:
            self._plain = DecryptingReader(self._stored, keyring, context(name))

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]  # typeshed's Buffer is Python 3.12
        """Reads into the buffer; returns the number of bytes, 0 at the end."""
        found = self._plain.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def hexdigest(self) -> str:
        """The SHA-256 of the stored bytes that were read, in hexadecimal."""
        return self._stored.digest.hexdigest()


def array_header(rows: int, columns: int) -> bytes:
    """The start of a .npy file of float32 in this shape; the rows follow."""
    stream = io.BytesIO()
    header = {"descr": _STORED.str, "fortran_order": False, "shape": (rows, columns)}
    npy.write_array_header_1_0(stream, header)
    return stream.getvalue()


def array_rows(matrix: Matrix) -> bytes:
    """Rows of a .npy file of float32."""
    return np.ascontiguousarray(matrix, dtype=_STORED).tobytes()


def read_array_header(stream: IO[bytes], rows: int, columns: int) -> None:
    """Reads the start of a .npy file. Raises InvalidArchive for another shape or type."""
    try:
        version = npy.read_magic(stream)
        shape, fortran_order, dtype = npy.read_array_header_1_0(stream)
    except ValueError as error:
        raise InvalidArchive("the templates of the archive cannot be read") from error
    if version != (1, 0) or (shape, fortran_order, dtype) != ((rows, columns), False, _STORED):
        raise InvalidArchive("the shape of the templates does not match the manifest")


def read_array_rows(stream: IO[bytes], rows: int, columns: int) -> Matrix:
    """Reads rows of a .npy file, shape (rows, columns). Raises InvalidArchive at its end."""
    size = rows * columns * _STORED.itemsize
    found = stream.read(size)
    if len(found) != size:
        raise InvalidArchive("the archive has fewer templates than its people")
    return np.frombuffer(found, dtype=_STORED).reshape(rows, columns).astype(np.float32, copy=False)


def context(name: str) -> str:
    """What the encryption of a part is bound to."""
    return f"archive {name}"


class _HashingWriter:
    """Writes to a stream and computes the digest of all bytes."""

    def __init__(self, stream: Writable) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        """Writes all bytes and returns their number."""
        self.digest.update(data)
        return self._stream.write(data)


class _HashingReader:
    """Reads from a stream and computes the digest of all bytes that were read."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Returns `size` bytes, or fewer at the end."""
        found = self._stream.read(size)
        self.digest.update(found)
        return found
