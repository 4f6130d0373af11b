"""What the store asks of an index engine."""

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy.orm import Session

from app.vectors import Ids, Matrix, Neighbor


class Transactions(Protocol):
    """Where an engine outside the process keeps its rows or its state: a database."""

    def read(self) -> AbstractContextManager[Session]:
        """One consistent view."""
        ...

    def write(self) -> AbstractContextManager[Session]:
        """One transaction: committed at the end of the block, or not at all."""
        ...


class VectorIndex(Protocol):
    """Nearest unit vectors by dot product, for one collection.

    Writers are serialised by the caller; `search` may run in many threads between writes.
    """

    revision: int
    """Last journal revision applied; 0 for an empty index."""

    shared: bool
    """Whether other processes move this very index, too."""

    def applying(self) -> AbstractContextManager[None]:
        """Held while the journal is applied: nobody else, in any process, applies it meanwhile.

        On entry `revision` becomes what the engine really holds; a shared engine keeps rows and
        `revision` when the block ends, and forgets both if it ends in an error.
        """
        ...

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add rows; an id that is there already gets the new vector."""
        ...

    def delete(self, ids: Ids) -> None:
        """Forget ids; unknown ones are ignored."""
        ...

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """For each probe at most `k` neighbors, most similar first; ties by rising id."""
        ...

    def size(self) -> int:
        """How many ids it holds."""
        ...

    def ids(self) -> Ids:
        """Every id it holds, in no order."""
        ...

    def clear(self) -> None:
        """Forget everything; revision becomes 0."""
        ...

    def flush(self) -> None:
        """Make what was applied survive a restart, where the engine can."""
        ...

    def purge(self) -> None:
        """The collection is gone: leave nothing behind, in files neither."""
        ...

    def close(self) -> None:
        """Give back what it holds; the index is not used afterwards."""
        ...
