"""FAISS in the process, with a checksummed snapshot beside the database.

Exact while that is the fastest; from `quantize_from` rows on by codes, with exact re-ranking.
"""

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Protocol

import faiss
import numpy as np

from app.crypto.keyring import Keyring
from app.crypto.stream import DecryptingReader, EncryptingWriter
from app.errors import DecryptionFailed
from app.index.faiss.quantized import QuantizedRows
from app.index.faiss.row_blocks import Allocate, in_memory
from app.index.faiss.snapshot import (
    Sink,
    SnapshotHead,
    Source,
    newest_revision,
    open_snapshot,
    write_snapshot,
)
from app.vectors import Ids, Matrix, Neighbor

_log = logging.getLogger(__name__)

_FLAT, _CODED = "flat", "coded 2"  # how a snapshot's rows are kept

QUANTIZE_FROM = 20_000
"""Rows from which on codes are faster (ADR 8)."""


class _Rows(Protocol):
    def upsert(self, ids: Ids, vectors: Matrix) -> None: ...
    def delete(self, ids: Ids) -> None: ...
    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]: ...
    def size(self) -> int: ...
    def write(self, stream: Sink) -> None: ...
    def read(self, stream: Source) -> None: ...
    def ids(self) -> Ids: ...
    def close(self) -> None: ...


class FlatRows:
    """Every row is compared: exact, and the fastest for few of them."""

    def __init__(self, dimension: int) -> None:
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; ids occur once."""
        if self._index.ntotal:
            self.delete(ids)
        self._index.add_with_ids(vectors, ids)

    def delete(self, ids: Ids) -> None:
        """Drop rows by id."""
        self._index.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(ids, dtype=np.int64)))

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Exact search; FAISS gives the interpreter lock back while it runs."""
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
        """Rows held."""
        return int(self._index.ntotal)

    def ids(self) -> Ids:
        """Their ids, in no order."""
        return np.array(faiss.vector_to_array(self._index.id_map), dtype=np.int64)

    def close(self) -> None:
        """Nothing runs beside."""

    def everything(self) -> tuple[Ids, Matrix]:
        """Ids and rows."""
        ids = faiss.vector_to_array(self._index.id_map)
        return ids, self._index.index.reconstruct_n(0, self.size())

    def write(self, stream: Sink) -> None:
        """FAISS's own format."""
        stream.write(faiss.serialize_index(self._index).data)

    def read(self, stream: Source) -> None:
        """What `write` wrote; FAISS finds its end itself. Raises RuntimeError."""
        found = faiss.deserialize_index(np.frombuffer(stream.read(), dtype=np.uint8))
        if not isinstance(found, faiss.IndexIDMap2):
            raise ValueError("it is no index with ids")
        self._index = found


class FaissIndex:
    """Few rows flat, many rows coded. A snapshot that is damaged or of another collection is
    ignored: the store knows everything that it held. With keys in `keyring` it is sealed."""

    shared = False

    def __init__(
        self,
        dimension: int,
        snapshot: Path | None = None,
        key: str = "",
        quantize_from: int = QUANTIZE_FROM,
        keyring: Keyring | None = None,
        allocate: Allocate = in_memory,
    ) -> None:
        self.revision = 0
        self._keyring = keyring or Keyring()
        self._dimension, self._snapshot, self._key = dimension, snapshot, key
        self._quantize_from, self._allocate = quantize_from, allocate
        self._saved = 0
        self._rows: _Rows = FlatRows(dimension)
        self._load()

    def applying(self) -> AbstractContextManager[None]:
        """It is this process's own."""
        return nullcontext()

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; within one call the last of an id's rows wins."""
        last = {int(row_id): row for row, row_id in enumerate(ids)}
        fresh = np.array(list(last), dtype=np.int64)
        rows = np.ascontiguousarray(vectors[list(last.values())], dtype=np.float32)
        self._rows.upsert(fresh, rows)
        if isinstance(self._rows, FlatRows) and self._rows.size() >= self._quantize_from:
            coded = QuantizedRows(self._dimension, self._allocate)
            coded.upsert(*self._rows.everything())
            self._rows = coded

    def delete(self, ids: Ids) -> None:
        """Drop rows by id."""
        self._rows.delete(ids)

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """The nearest rows of each probe; similarities are exact.

        Searches run side by side, so one thread is enough for each; OpenMP keeps that number for
        every thread of ours by itself.
        """
        faiss.omp_set_num_threads(1)
        return self._rows.search(np.ascontiguousarray(probes), k)

    def size(self) -> int:
        """Rows held."""
        return self._rows.size()

    def clear(self) -> None:
        """Empty index, revision 0."""
        self._rows.close()
        self._rows = FlatRows(self._dimension)
        self.revision = 0

    def flush(self) -> None:
        """Write the snapshot; a full disk costs only the snapshot.

        One of another process that is further stays: it may lack what was deleted since.
        """
        if self._snapshot is None or self.revision == self._saved:
            return
        if newest_revision(self._snapshot, self._key) > self.revision:
            return
        kind = _FLAT if isinstance(self._rows, FlatRows) else _CODED
        head = SnapshotHead(self._key, kind, self.revision, self._dimension, bool(self._keyring))
        try:
            write_snapshot(self._snapshot, head, self._write)
            self._saved = self.revision
        except OSError as error:
            _log.warning("index snapshot not written: %s", error.strerror)

    def purge(self) -> None:
        """Forget everything, the snapshot as well."""
        self.clear()
        self._saved = 0
        if self._snapshot is not None:
            self._snapshot.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep a snapshot for the next start."""
        self.flush()
        self._rows.close()

    def ids(self) -> Ids:
        """Every id it holds."""
        return self._rows.ids()

    def _write(self, stream: IO[bytes]) -> None:
        if not self._keyring:
            self._rows.write(stream)
            return
        sealed = EncryptingWriter(stream, self._keyring, self._key)
        self._rows.write(sealed)
        sealed.finish()

    def _load(self) -> None:
        if self._snapshot is None or not self._snapshot.is_file():
            return
        try:
            with open_snapshot(self._snapshot) as (head, stream):
                if (head.key, head.dimension) != (self._key, self._dimension):
                    raise ValueError("it belongs to another collection")
                if head.kind not in (_FLAT, _CODED):
                    raise ValueError("it is of another version")
                rows: _Rows = FlatRows(self._dimension)
                if head.kind == _CODED:
                    rows = QuantizedRows(self._dimension, self._allocate)
                if head.sealed != bool(self._keyring):
                    raise ValueError("it was written before the keys changed")
                rows.read(
                    DecryptingReader(stream, self._keyring, self._key) if head.sealed else stream
                )
        except (OSError, ValueError, KeyError, RuntimeError, DecryptionFailed) as error:
            _log.warning("index snapshot ignored: %s", error)
            return
        self._rows = rows
        self.revision = self._saved = head.revision
