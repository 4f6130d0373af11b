"""Reads and writes index snapshots: a JSON header line, a body, and a SHA-256 digest of both."""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from app.crypto.stream import Readable, Writable
from app.private_files import create_empty, create_folder

FORMAT = 4
"""Version of the file format. Files of another format are not read: the index is rebuilt."""

_BLOCK = 1 << 20
_BYTES_IN_MEMORY = 1 << 26  # written before the disk has them
_UNFINISHED, _ABANDONED = ".new", 3_600.0  # suffix, and seconds since its last change
_MAX_HEADER_BYTES = 4_096
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """`key` identifies the collection, `kind` the layout of the rows in the body, `revision` the
    last journal revision that the rows contain; `encrypted` is true if the body is encrypted."""

    key: str
    kind: str
    revision: int
    dimension: int
    encrypted: bool
    format: int = FORMAT


def stored_revision(file: Path, key: str) -> int:
    """Revision in the header of the file; 0 for no file, another collection or another format.

    The digest is not checked.
    """
    header = _header(file)
    return header.revision if header is not None and header.key == key else 0


def unencrypted_snapshots(folder: Path, permitted: Container[str]) -> list[Path]:
    """Snapshots in the folder that are not encrypted, except of the collections with these keys.

    Includes the unfinished files of processes that ended, and files of another format.
    """
    return [
        file
        for file in sorted(folder.glob("collection-*"))
        if file.is_file() and file.stat().st_size and not _is_permitted(file, permitted)
    ]


def _is_permitted(file: Path, permitted: Container[str]) -> bool:
    header = _header(file)
    return header is not None and (header.encrypted or header.key in permitted)


def write_snapshot(file: Path, header: SnapshotHeader, write: Callable[[Writable], None]) -> None:
    """Replaces the file atomically and durably; `write` writes the body. Raises OSError; the
    previous file is kept then."""
    fresh = file.with_suffix(f".{os.getpid()}{_UNFINISHED}")
    try:
        create_folder(file.parent)
        create_empty(fresh)
        with fresh.open("r+b") as stream:
            hashed = _Hashed(stream)
            hashed.write(json.dumps(asdict(header)).encode() + b"\n")
            write(hashed)
            stream.write(hashed.digest())
            stream.flush()
            os.fsync(stream.fileno())
            _forget(stream)
        os.replace(fresh, file)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def delete_abandoned(file: Path) -> None:
    """Delete unfinished versions of the file that processes left when they were killed.

    Another process may be writing one now, so that only those count that nobody has written to for
    an hour.
    """
    for found in file.parent.glob(f"{file.stem}.*{_UNFINISHED}"):
        with contextlib.suppress(OSError):
            if found.stat().st_mtime < time.time() - _ABANDONED:
                found.unlink()


@contextmanager
def open_snapshot(file: Path) -> Iterator[tuple[SnapshotHeader, Readable]]:
    """Checks format and digest, and yields the header and the body.

    Raises OSError, and ValueError for a damaged file or one of another format.
    """
    with file.open("rb") as stream:
        header = _parse(stream.readline(_MAX_HEADER_BYTES))
        start = stream.tell()
        end = stream.seek(0, os.SEEK_END) - _DIGEST_BYTES
        if end < start or _digest(stream, end) != stream.read(_DIGEST_BYTES):
            raise ValueError("checksum mismatch")
        stream.seek(start)
        yield header, _Body(stream, end - start)


class _Hashed:
    """Writes to `stream` and computes the digest of what was written.

    Waits for the disk after every 64 MB. Otherwise gigabytes gather in memory, and above a limit
    Linux makes each thread wait that changes a mapped file, such as one that enrolls a person.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash, self._unwritten = stream, hashlib.sha256(), 0

    def write(self, data: bytes | memoryview, /) -> int:
        self._hash.update(data)
        written = self._stream.write(data)
        self._unwritten += written
        if self._unwritten >= _BYTES_IN_MEMORY:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            _forget(self._stream)
            self._unwritten = 0
        return written

    def digest(self) -> bytes:
        return self._hash.digest()


class _Body:
    """The bytes between header and digest, as a source that ends before the digest."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left, self._cached = stream, size, 0

    def read(self, size: int = -1, /) -> bytes:
        """Returns `size` bytes, or fewer at the end; all remaining bytes for a negative size."""
        found = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(found)
        self._cached += len(found)
        if self._cached >= _BYTES_IN_MEMORY or not self._left:
            _forget(self._stream)
            self._cached = 0
        return found


def _forget(stream: IO[bytes]) -> None:
    """Let the system reuse the memory in which it has cached the file up to the present position.

    Otherwise it may take that of mapped vectors.
    """
    if hasattr(os, "posix_fadvise"):  # not on macOS
        with contextlib.suppress(OSError):
            os.posix_fadvise(stream.fileno(), 0, stream.tell(), os.POSIX_FADV_DONTNEED)


def _header(file: Path) -> SnapshotHeader | None:
    """The header of a file, or None if it cannot be read or has another format."""
    try:
        with file.open("rb") as stream:
            return _parse(stream.readline(_MAX_HEADER_BYTES))
    except (OSError, ValueError):
        return None


def _parse(line: bytes) -> SnapshotHeader:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise ValueError("header is not JSON") from error
    found = fields.get("format", 2) if isinstance(fields, dict) else None
    if found != FORMAT:
        raise ValueError(f"format is {found}, expected {FORMAT}")
    try:
        return SnapshotHeader(**fields)
    except TypeError as error:
        raise ValueError("header lacks a field") from error


def _digest(stream: IO[bytes], size: int) -> bytes:
    """SHA-256 of the first `size` bytes; the stream's position is behind them afterwards."""
    digest = hashlib.sha256()
    stream.seek(0)
    left = size
    while left and (block := stream.read(min(left, _BLOCK))):
        digest.update(block)
        left -= len(block)
    return digest.digest()
