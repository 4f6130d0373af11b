"""Applies the journal to the index of every collection, and searches the indexes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from readerwriterlock.rwlock import RWLockFair
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.index.base import VectorIndex
from app.store.collections import Collection, collection_by_id
from app.store.db.database import Database
from app.store.db.tables import REBUILD, REMOVE, JournalRow
from app.store.templates import read_vectors
from app.vectors import Ids, Matrix, Neighbor

IndexFactory = Callable[[Collection], VectorIndex]

_FLUSH_EVERY = 5_000  # journal rows, at least
_FLUSH_SHARE = 0.01  # of the index: a snapshot is written as a whole


class _OpenIndex:
    """The index of one collection in this process, and the lock that its readers share."""

    def __init__(self, index: VectorIndex) -> None:
        self.index = index
        self.lock = RWLockFair()
        self.unflushed_rows = 0
        self.unflushed_deletions = False

    def flush(self) -> None:
        """Begins to write a snapshot, unless one is being written; needs the write lock."""
        if self.index.flush():
            self.unflushed_rows, self.unflushed_deletions = 0, False


@dataclass(frozen=True, slots=True)
class IndexContent:
    """The row ids in an up-to-date index, and the number of journal rows that were pending."""

    collection: Collection
    indexed: Ids
    pending: int


class IndexSync:
    """The indexes of this process. An index applies pending journal rows before each search.

    Several processes on one database therefore see each other's committed changes.
    """

    def __init__(
        self, open_index: IndexFactory, close_engine: Callable[[], None] = lambda: None
    ) -> None:
        self._open_index, self._close_engine = open_index, close_engine
        self._open: dict[int, _OpenIndex] = {}
        self._guard = threading.Lock()

    def search(
        self, session: Session, collection: Collection, probes: Matrix, k: int
    ) -> list[list[Neighbor]]:
        """Returns at most `k` templates per probe, most similar first.

        The index is at least as recent as the session's view of the collection.
        """
        opened = self._up_to_date(session, collection)
        with opened.lock.gen_rlock():
            return opened.index.search(probes, k)

    def size(self, session: Session, collection: Collection) -> int:
        """Returns the number of templates in the up-to-date index."""
        opened = self._up_to_date(session, collection)
        with opened.lock.gen_rlock():
            return opened.index.size()

    def pending(self, collection: Collection) -> int:
        """The number of journal rows that the index will apply before its next search."""
        return max(collection.revision - self._get(collection).index.revision, 0)

    def flush_deletions(self, session: Session, collection: Collection) -> None:
        """Replaces the snapshot if it contains deleted templates."""
        opened = self._up_to_date(session, collection)
        while opened.unflushed_deletions:
            opened.index.wait_until_flushed()
            with opened.lock.gen_wlock():
                opened.flush()
        opened.index.wait_until_flushed()

    @contextmanager
    def exclusive(
        self, database: Database, collection: Collection
    ) -> Iterator[tuple[Session, IndexContent]]:
        """Applies the journal, then blocks changes to the index for the duration of the block.

        The session sees the same revision of the collection as the index.
        """
        opened = self._get(collection)
        with opened.lock.gen_wlock(), opened.index.applying(), database.read() as session:
            current = collection_by_id(session, collection.row_id)
            pending = current.revision - opened.index.revision
            if pending:
                self._apply(session, current, opened)
            yield session, IndexContent(current, opened.index.ids(), pending)

    def delete_index(self, collection: Collection) -> None:
        """Deletes the index of a deleted collection, with its files."""
        opened = self._get(collection)
        with self._guard:
            self._open.pop(collection.row_id, None)
        with opened.lock.gen_wlock():
            opened.index.purge()

    def clear_if_newer(self, database: Database, collection: Collection) -> None:
        """Clears an index with a higher revision than the database, which follows a restore.

        Another process may be applying the journal to a shared index, so both revisions are read
        while that is blocked.
        """
        opened = self._get(collection)
        with opened.lock.gen_wlock(), opened.index.applying(), database.read() as session:
            if opened.index.revision > collection_by_id(session, collection.row_id).revision:
                opened.index.clear()

    def close(self) -> None:
        """Closes every index; engines that have snapshots write them."""
        with self._guard:
            for opened in self._open.values():
                with opened.lock.gen_wlock():
                    opened.index.close()
            self._open.clear()
        self._close_engine()

    def _get(self, collection: Collection) -> _OpenIndex:
        with self._guard:
            opened = self._open.get(collection.row_id)
            if opened is None:
                opened = self._open[collection.row_id] = _OpenIndex(self._open_index(collection))
                if not opened.index.shared and opened.index.revision > collection.revision:
                    opened.index.clear()  # the snapshot is newer than the restored database
            return opened

    def _up_to_date(self, session: Session, collection: Collection) -> _OpenIndex:
        opened = self._get(collection)
        if opened.index.revision >= collection.revision:
            return opened
        with opened.lock.gen_wlock(), opened.index.applying():
            if opened.index.revision < collection.revision:
                self._apply(session, collection, opened)
        return opened

    def _apply(self, session: Session, collection: Collection, opened: _OpenIndex) -> None:
        """Applies the journal rows after the index's revision, or reloads the whole index."""
        index = opened.index
        query = (
            select(JournalRow.op, JournalRow.template_row_id)
            .where(
                JournalRow.collection_id == collection.row_id,
                JournalRow.revision > index.revision,
                JournalRow.revision <= collection.revision,
            )
            .order_by(JournalRow.revision)
        )
        rows = session.execute(query).all()
        complete = len(rows) == collection.revision - index.revision
        if not complete or any(row.op == REBUILD for row in rows):
            self._reload(session, collection, opened)
            return
        row_ids = {row.template_row_id for row in rows if row.template_row_id is not None}
        # The templates table holds the result of all rows, so their order does not matter.
        deleted = {row.template_row_id for row in rows if row.op == REMOVE}
        for ids, vectors in read_vectors(session, collection, row_ids - deleted):
            index.upsert(ids, vectors)
        index.delete(np.array(sorted(deleted), dtype=np.int64))
        index.revision = collection.revision
        opened.unflushed_rows += len(rows)
        opened.unflushed_deletions = opened.unflushed_deletions or bool(deleted)
        if opened.unflushed_rows >= max(_FLUSH_EVERY, _FLUSH_SHARE * index.size()):
            opened.flush()

    def _reload(self, session: Session, collection: Collection, opened: _OpenIndex) -> None:
        opened.index.clear()
        for ids, vectors in read_vectors(session, collection):
            opened.index.upsert(ids, vectors)
        opened.index.revision = collection.revision
        opened.flush()
