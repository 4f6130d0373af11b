"""A file that is read only if it is whole: a line of JSON, a body, a digest of both."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Protocol

_BLOCK = 1 << 20
_LONGEST_HEAD = 4_096
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """`key` names the collection, `kind` how its rows are kept."""

    key: str
    kind: str
    revision: int
    dimension: int
    sealed: bool = False


class Sink(Protocol):
    """Where a body is written to."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Like a file's."""
        ...


class Source(Protocol):
    """Where a body is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Like a file's."""
        ...


def newest_revision(file: Path, key: str) -> int:
    """Of the snapshot that is there, if it is the same collection's; else 0. Damage is not seen."""
    try:
        with file.open("rb") as stream:
            head = SnapshotHead(**json.loads(stream.readline(_LONGEST_HEAD)))
    except (OSError, TypeError, ValueError):
        return 0
    return head.revision if head.key == key else 0


def write_snapshot(file: Path, head: SnapshotHead, write: Callable[[IO[bytes]], None]) -> None:
    """Write beside the old file, make it durable, then swap. Raises OSError; the old file stays."""
    fresh = file.with_suffix(f".{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w+b") as stream:
            stream.write(json.dumps(asdict(head)).encode() + b"\n")
            write(stream)
            stream.write(_digest(stream, stream.tell()))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, file)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


@contextmanager
def open_snapshot(file: Path) -> Iterator[tuple[SnapshotHead, IO[bytes]]]:
    """The head, and the stream at the body. Raises ValueError for a damaged file, OSError."""
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END) - _DIGEST
        if size < 1 or _digest(stream, size) != stream.read(_DIGEST):
            raise ValueError("it is damaged")
        stream.seek(0)
        try:
            head = SnapshotHead(**json.loads(stream.readline()))
        except TypeError as error:
            raise ValueError("it is of another version") from error
        yield head, stream


def _digest(stream: IO[bytes], size: int) -> bytes:
    """Of the first `size` bytes; the stream stands behind them afterwards."""
    known = hashlib.sha256()
    stream.seek(0)
    left = size
    while left and (block := stream.read(min(left, _BLOCK))):
        known.update(block)
        left -= len(block)
    return known.digest()
