"""Protocol of the vector indexes that the store uses."""

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy.orm import Session

from app.vectors import Ids, Matrix, Neighbor


class Transactions(Protocol):
    """A database in which an engine outside the process stores its rows or its state."""

    def read(self) -> AbstractContextManager[Session]:
        """A session on one consistent snapshot."""
        ...

    def write(self) -> AbstractContextManager[Session]:
        """A transaction: committed at the end of the block, rolled back after an error."""
        ...


class VectorIndex(Protocol):
    """Finds the nearest unit vectors of one collection by dot product.

    The caller serialises writers; `search` may run in several threads between writes.
    """

    revision: int
    """Last journal revision applied; 0 for an empty index."""

    shared: bool
    """Whether other processes update the same index."""

    def applying(self) -> AbstractContextManager[None]:
        """Held while journal rows are applied; at most one process holds it for a shared index.

        On entry `revision` is set to what the engine contains. A shared engine stores the changed
        rows and `revision` at the end of the block, and neither of them after an error.
        """
        ...

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; the last row wins where an id is repeated."""
        ...

    def delete(self, ids: Ids) -> None:
        """Delete rows by id; unknown ids are ignored."""
        ...

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """For each probe at most `k` neighbors by falling similarity, then by rising id."""
        ...

    def size(self) -> int:
        """Number of rows."""
        ...

    def ids(self) -> Ids:
        """All ids, in no particular order."""
        ...

    def clear(self) -> None:
        """Delete all rows and set `revision` to 0."""
        ...

    def flush(self) -> bool:
        """Begin to write the applied changes to disk, if the engine stores anything there itself.

        Rows may be changed meanwhile; these changes are not part of what is written. Returns False
        if an earlier state is still being written, and nothing was begun.
        """
        ...

    def wait_until_flushed(self) -> None:
        """Wait for the end of what `flush` began."""
        ...

    def purge(self) -> None:
        """Delete the index with its files, tables and state; the collection was deleted."""
        ...

    def close(self) -> None:
        """Release resources; the index must not be used afterwards."""
        ...
