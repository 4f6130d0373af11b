"""Exact search in NumPy: the oracle of the contract tests; fast enough for some 10,000 rows."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np

from app.vectors import Ids, Matrix, Neighbor


class ExactIndex:
    """Compares every row with every probe. In memory only: rebuilt from the database at start."""

    shared = False

    def __init__(self, dimension: int) -> None:
        self.revision = 0
        self._dimension = dimension
        self._ids: Ids = np.empty(0, dtype=np.int64)
        self._rows: Matrix = np.empty((0, dimension), dtype=np.float32)

    def applying(self) -> AbstractContextManager[None]:
        """No lock: the index belongs to this process."""
        return nullcontext()

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; the last row wins where an id is repeated."""
        last = {int(row_id): row for row, row_id in enumerate(ids)}
        self.delete(ids)
        distinct = np.array(list(last), dtype=np.int64)
        self._ids = np.concatenate([self._ids, distinct])
        self._rows = np.concatenate([self._rows, vectors[list(last.values())]])

    def delete(self, ids: Ids) -> None:
        """Delete rows by id; unknown ids are ignored."""
        kept = ~np.isin(self._ids, ids)
        self._ids, self._rows = self._ids[kept], self._rows[kept]

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """For each probe at most `k` neighbors by falling similarity, then by rising id."""
        similarities = probes @ self._rows.T
        return [self._best(row, k) for row in similarities]

    def size(self) -> int:
        """Number of rows."""
        return len(self._ids)

    def ids(self) -> Ids:
        """All ids, in no particular order."""
        return self._ids

    def clear(self) -> None:
        """Delete all rows and set the revision to 0."""
        self._ids, self._rows = self._ids[:0], self._rows[:0]
        self.revision = 0

    def flush(self) -> bool:
        """Does nothing: the index is not stored on disk."""
        return True

    def wait_until_flushed(self) -> None:
        """Does nothing: nothing is written."""

    def purge(self) -> None:
        """Delete all rows."""
        self.clear()

    def close(self) -> None:
        """Does nothing: there are no resources to release."""

    def _best(self, similarities: Matrix, k: int) -> list[Neighbor]:
        order = np.lexsort((self._ids, -similarities))[:k]
        return [Neighbor(int(self._ids[row]), float(similarities[row])) for row in order]
