"""What the store asks of an index engine."""

from typing import Protocol

from app.vectors import Ids, Matrix, Neighbor


class VectorIndex(Protocol):
    """Nearest unit vectors by dot product, for one collection.

    Writers are serialised by the caller; `search` may run in many threads between writes.
    """

    revision: int
    """Last journal revision applied; 0 for an empty index."""

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add rows; an id that is there already gets the new vector."""
        ...

    def remove(self, ids: Ids) -> None:
        """Forget ids; unknown ones are ignored."""
        ...

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """For each probe at most `k` neighbors, most similar first; ties by rising id."""
        ...

    def size(self) -> int:
        """How many ids it holds."""
        ...

    def clear(self) -> None:
        """Forget everything; revision becomes 0."""
        ...

    def flush(self) -> None:
        """Make what was applied survive a restart, where the engine can."""
        ...

    def close(self) -> None:
        """Give back what it holds; the index is not used afterwards."""
        ...
