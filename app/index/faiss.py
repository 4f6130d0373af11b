"""FAISS in the process: exact flat search, with a checksummed snapshot beside the database."""

import contextlib
import hashlib
import json
import logging
import os
from pathlib import Path

import faiss
import numpy as np

from app.vectors import Ids, Matrix, Neighbor

_log = logging.getLogger(__name__)


class FaissIndex:
    """A flat inner-product index with ids of ours.

    The snapshot is a line of JSON (key, revision, digest of the rest) and FAISS's own bytes. A
    damaged, stale or foreign file is ignored: the store knows everything that it held.
    """

    def __init__(self, dimension: int, snapshot: Path | None = None, key: str = "") -> None:
        self.revision = 0
        self._dimension, self._snapshot, self._key = dimension, snapshot, key
        self._saved = 0
        self._index = self._fresh()
        self._load()

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; within one call the last of an id's rows wins."""
        last = {int(template_id): row for row, template_id in enumerate(ids)}
        fresh = np.array(list(last), dtype=np.int64)
        if self._index.ntotal:
            self.remove(fresh)
        rows = np.ascontiguousarray(vectors[list(last.values())], dtype=np.float32)
        self._index.add_with_ids(rows, fresh)

    def remove(self, ids: Ids) -> None:
        """Drop rows by id."""
        self._index.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(ids, dtype=np.int64)))

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Exact search; FAISS gives the interpreter lock back while it runs."""
        wanted = min(k, self.size())
        if wanted < 1 or not len(probes):
            return [[] for _ in probes]
        similarities, ids = self._index.search(np.ascontiguousarray(probes), wanted)
        return [
            sorted(
                (Neighbor(int(i), float(s)) for i, s in zip(row_ids, row, strict=True) if i >= 0),
                key=lambda neighbor: (-neighbor.similarity, neighbor.template_id),
            )
            for row_ids, row in zip(ids, similarities, strict=True)
        ]

    def size(self) -> int:
        """Rows held."""
        return int(self._index.ntotal)

    def clear(self) -> None:
        """Empty index, revision 0."""
        self._index = self._fresh()
        self.revision = 0

    def flush(self) -> None:
        """Write the snapshot beside the old one, then swap; a full disk costs only the snapshot."""
        if self._snapshot is None or self.revision == self._saved:
            return
        body = faiss.serialize_index(self._index).tobytes()
        head = {
            "key": self._key,
            "revision": self.revision,
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        fresh = self._snapshot.with_suffix(f".{os.getpid()}.new")
        try:
            self._snapshot.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as stream:
                stream.write(json.dumps(head).encode() + b"\n")
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(fresh, self._snapshot)
            self._saved = self.revision
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            _log.warning("index snapshot not written: %s", error.strerror)

    def close(self) -> None:
        """Keep a snapshot for the next start."""
        self.flush()

    def _fresh(self) -> faiss.Index:
        return faiss.IndexIDMap2(faiss.IndexFlatIP(self._dimension))

    def _load(self) -> None:
        if self._snapshot is None or not self._snapshot.is_file():
            return
        try:
            head_line, _, body = self._snapshot.read_bytes().partition(b"\n")
            head = json.loads(head_line)
            if head["key"] != self._key or hashlib.sha256(body).hexdigest() != head["sha256"]:
                raise ValueError("it is damaged or belongs to another collection")
            index = faiss.deserialize_index(np.frombuffer(body, dtype=np.uint8))
            if index.d != self._dimension:
                raise ValueError("it has another dimension")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            _log.warning("index snapshot ignored: %s", error)
            return
        self._index = index
        self.revision = self._saved = int(head["revision"])
