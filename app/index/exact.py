"""The oracle: NumPy, float32, every row compared. Fast enough for some ten thousand rows."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np

from app.vectors import Ids, Matrix, Neighbor


class ExactIndex:
    """Keeps nothing on disk: after a restart it is rebuilt from the store."""

    shared = False

    def __init__(self, dimension: int) -> None:
        self.revision = 0
        self._dimension = dimension
        self._ids: Ids = np.empty(0, dtype=np.int64)
        self._rows: Matrix = np.empty((0, dimension), dtype=np.float32)

    def applying(self) -> AbstractContextManager[None]:
        """Nobody else has it."""
        return nullcontext()

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; within one call the last of an id's rows wins."""
        last = {int(row_id): row for row, row_id in enumerate(ids)}
        self.delete(ids)
        fresh = np.array(list(last), dtype=np.int64)
        self._ids = np.concatenate([self._ids, fresh])
        self._rows = np.concatenate([self._rows, vectors[list(last.values())]])

    def delete(self, ids: Ids) -> None:
        """Drop rows by id."""
        kept = ~np.isin(self._ids, ids)
        self._ids, self._rows = self._ids[kept], self._rows[kept]

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Compare with every row."""
        similarities = probes @ self._rows.T
        return [self._best(row, k) for row in similarities]

    def size(self) -> int:
        """Rows held."""
        return len(self._ids)

    def ids(self) -> Ids:
        """Every id it holds."""
        return self._ids

    def clear(self) -> None:
        """Empty matrix, revision 0."""
        self._ids, self._rows = self._ids[:0], self._rows[:0]
        self.revision = 0

    def flush(self) -> None:
        """Nothing is kept."""

    def purge(self) -> None:
        """Forget everything."""
        self.clear()

    def close(self) -> None:
        """Nothing is held."""

    def _best(self, similarities: Matrix, k: int) -> list[Neighbor]:
        order = np.lexsort((self._ids, -similarities))[:k]
        return [Neighbor(int(self._ids[row]), float(similarities[row])) for row in order]
