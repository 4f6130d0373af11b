"""FAISS index in the process with a checksummed snapshot on disk.

Exact search for small collections; from `quantize_from` rows on, candidates are found by
product-quantized codes and re-ranked exactly (ADR 8).
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import faiss
import numpy as np

from app.crypto.keyring import Keyring
from app.crypto.stream import DecryptingReader, EncryptingWriter, Readable, Writable
from app.errors import DecryptionFailed
from app.index.faiss.quantized import QuantizedRows
from app.index.faiss.row_blocks import IN_MEMORY, Storage
from app.index.faiss.snapshot import (
    SnapshotHeader,
    delete_abandoned,
    open_snapshot,
    stored_revision,
    write_snapshot,
)
from app.logs import get_logger
from app.vectors import Ids, Matrix, Neighbor

_log = get_logger(__name__)

_FLAT, _QUANTIZED = "flat", "quantized"  # layouts of the rows in a snapshot

QUANTIZE_FROM = 20_000
"""Rows from which on search by codes is faster (ADR 8)."""


class _Rows(Protocol):
    def upsert(self, ids: Ids, vectors: Matrix) -> None: ...
    def delete(self, ids: Ids) -> None: ...
    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]: ...
    def size(self) -> int: ...
    @property
    def rebuilding(self) -> bool: ...
    def freeze(self) -> Callable[[Writable], None]: ...
    def read(self, stream: Readable) -> None: ...
    def ids(self) -> Ids: ...
    def close(self) -> None: ...


class FlatRows:
    """Rows searched exactly, by comparing all of them; the fastest for small collections."""

    def __init__(self, dimension: int) -> None:
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; `ids` are distinct."""
        if self._index.ntotal:
            self.delete(ids)
        self._index.add_with_ids(vectors, ids)

    def delete(self, ids: Ids) -> None:
        """Delete rows by id; unknown ids are ignored."""
        self._index.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(ids, dtype=np.int64)))

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Exact search. FAISS releases the interpreter lock meanwhile."""
        wanted = min(k, self.size())
        if wanted < 1 or not len(probes):
            return [[] for _ in probes]
        similarities, ids = self._index.search(probes, wanted)
        return [
            sorted(
                (Neighbor(int(i), float(s)) for i, s in zip(row_ids, row, strict=True) if i >= 0),
                key=lambda neighbor: (-neighbor.similarity, neighbor.row_id),
            )
            for row_ids, row in zip(ids, similarities, strict=True)
        ]

    def size(self) -> int:
        """Number of rows."""
        return int(self._index.ntotal)

    def ids(self) -> Ids:
        """All ids, in no particular order."""
        return np.array(faiss.vector_to_array(self._index.id_map), dtype=np.int64)

    def close(self) -> None:
        """Does nothing: there is no background work."""

    @property
    def rebuilding(self) -> bool:
        """Never: there are no codes."""
        return False

    def all_rows(self) -> tuple[Ids, Matrix]:
        """All ids and vectors, in the same order."""
        ids = faiss.vector_to_array(self._index.id_map)
        return ids, self._index.index.reconstruct_n(0, self.size())

    def freeze(self) -> Callable[[Writable], None]:
        """A function that writes FAISS's serialization of the rows as they are now."""
        serialized = faiss.serialize_index(self._index)

        def write(stream: Writable) -> None:
            stream.write(serialized.data)

        return write

    def read(self, stream: Readable) -> None:
        """Read what a function of `freeze` wrote.

        Raises RuntimeError, and ValueError for another index type.
        """
        found = faiss.deserialize_index(np.frombuffer(stream.read(), dtype=np.uint8))
        if not isinstance(found, faiss.IndexIDMap2):
            raise ValueError("not an index with ids")
        self._index = found


class FaissIndex:
    """Flat rows below `quantize_from` rows, quantized rows from there on.

    A snapshot that is damaged, of another format or of another collection is ignored, and the
    caller rebuilds the index from the database. With keys in `keyring` snapshots are encrypted.
    """

    shared = False

    def __init__(
        self,
        dimension: int,
        snapshot: Path | None = None,
        key: str = "",
        quantize_from: int = QUANTIZE_FROM,
        keyring: Keyring | None = None,
        storage: Storage = IN_MEMORY,
    ) -> None:
        self.revision = 0
        self._keyring = keyring or Keyring()
        self._dimension, self._snapshot, self._key = dimension, snapshot, key
        self._quantize_from, self._storage = quantize_from, storage
        self._saved_revision = 0
        self._writer: threading.Thread | None = None
        self._rows: _Rows = FlatRows(dimension)
        self._load()

    def applying(self) -> AbstractContextManager[None]:
        """No lock: the index belongs to this process."""
        return nullcontext()

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; the last row wins where an id is repeated."""
        last = {int(row_id): row for row, row_id in enumerate(ids)}
        distinct = np.array(list(last), dtype=np.int64)
        rows = np.ascontiguousarray(vectors[list(last.values())], dtype=np.float32)
        self._rows.upsert(distinct, rows)
        if isinstance(self._rows, FlatRows) and self._rows.size() >= self._quantize_from:
            quantized = QuantizedRows(self._dimension, self._storage)
            quantized.upsert(*self._rows.all_rows())
            self._rows = quantized

    def delete(self, ids: Ids) -> None:
        """Delete rows by id; unknown ids are ignored."""
        self._rows.delete(ids)

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """The nearest rows of each probe; similarities are exact.

        One thread per search: requests run concurrently. OpenMP keeps the number of threads per
        calling thread, so it is set in every call.
        """
        faiss.omp_set_num_threads(1)
        return self._rows.search(np.ascontiguousarray(probes), k)

    def size(self) -> int:
        """Number of rows."""
        return self._rows.size()

    @property
    def rebuilding(self) -> bool:
        """Whether new codes are being computed, or wait for the next change of rows."""
        return self._rows.rebuilding

    def clear(self) -> None:
        """Delete all rows and set the revision to 0; the snapshot is kept until `flush`."""
        self.wait_until_flushed()
        self._rows.close()
        self._rows = FlatRows(self._dimension)
        self.revision = 0

    def flush(self) -> bool:
        """Let a thread write the snapshot, of the rows as they are now.

        Returns False, and does nothing, while the thread writes an earlier one. A newer snapshot of
        another process is kept: this one may contain rows deleted since. An error is logged, since
        the database has all rows.
        """
        if self._writer is not None and self._writer.is_alive():
            return False
        file = self._snapshot
        if file is None or self.revision == self._saved_revision:
            return True
        if stored_revision(file, self._key) > self.revision:
            return True
        kind = _FLAT if isinstance(self._rows, FlatRows) else _QUANTIZED
        encrypted = bool(self._keyring)
        header = SnapshotHeader(self._key, kind, self.revision, self._dimension, encrypted)
        arguments = (file, header, self._rows.freeze())
        self._writer = threading.Thread(target=self._write, args=arguments, daemon=True)
        self._writer.start()
        return True

    def wait_until_flushed(self) -> None:
        """Wait until the snapshot has been written."""
        if self._writer is not None:
            self._writer.join()

    def purge(self) -> None:
        """Delete all rows and the snapshot file."""
        self.clear()
        self._saved_revision = 0
        if self._snapshot is not None:
            self._snapshot.unlink(missing_ok=True)

    def close(self) -> None:
        """Write the snapshot and stop background work."""
        self.wait_until_flushed()
        self.flush()
        self.wait_until_flushed()
        self._rows.close()

    def ids(self) -> Ids:
        """All ids, in no particular order."""
        return self._rows.ids()

    def _write(
        self, file: Path, header: SnapshotHeader, write_rows: Callable[[Writable], None]
    ) -> None:
        def write(stream: Writable) -> None:
            if not self._keyring:
                write_rows(stream)
                return
            encrypting = EncryptingWriter(stream, self._keyring, self._key)
            write_rows(encrypting)
            encrypting.finish()

        try:
            write_snapshot(file, header, write)
            self._saved_revision = header.revision
        except OSError as error:
            _log.warning("index_snapshot_not_written", error=error.strerror)

    def _load(self) -> None:
        if self._snapshot is None:
            return
        delete_abandoned(self._snapshot)
        if not self._snapshot.is_file():
            return
        try:
            with open_snapshot(self._snapshot) as (header, stream):
                self._check(header)
                body = self._body(stream)
                rows: _Rows = FlatRows(self._dimension)
                if header.kind == _QUANTIZED:
                    rows = QuantizedRows(self._dimension, self._storage)
                rows.read(body)
                if body.read(1):
                    raise ValueError("unexpected bytes after the rows")
        except (OSError, ValueError, RuntimeError, DecryptionFailed) as error:
            _log.warning(
                "index_snapshot_ignored",
                file=self._snapshot.name,
                reason=str(error),
                remedy="rebuilding from the database",
            )
            return
        self._rows = rows
        self.revision = self._saved_revision = header.revision

    def _check(self, header: SnapshotHeader) -> None:
        if (header.key, header.dimension) != (self._key, self._dimension):
            raise ValueError("belongs to another collection")
        if header.kind not in (_FLAT, _QUANTIZED):
            raise ValueError(f"rows have the unknown layout {header.kind!r}")
        if header.encrypted != bool(self._keyring):
            raise ValueError("written before encryption was switched on or off")

    def _body(self, stream: Readable) -> Readable:
        if self._keyring:
            return DecryptingReader(stream, self._keyring, self._key)
        return stream
