"""Keeps every collection's index level with the journal, and searches it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from readerwriterlock.rwlock import RWLockFair
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.index.base import VectorIndex
from app.store.collections import (
    Collection,
    collection_by_id,
    lock_collection,
    write_journal,
)
from app.store.db.database import Database
from app.store.db.encryption import decrypt_vectors
from app.store.db.tables import REBUILD, REMOVE, JournalRow, TemplateRow
from app.vectors import Ids, Matrix, Neighbor

IndexFactory = Callable[[Collection], VectorIndex]

_CHUNK = 50_000
_FLUSH_EVERY = 5_000
_COMPARED = 1_000  # templates that have to find themselves
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class Difference:
    """An index beside the tables, in templates. `behind` counts journal rows that it had not
    applied before it was looked at, which is no fault; `missing` are not in the index, `extra`
    only there, `changed` have another vector (of a sample)."""

    stored: int
    indexed: int
    behind: int
    missing: int
    extra: int
    changed: int

    @property
    def level(self) -> bool:
        """Whether the index holds what it should."""
        return not (self.missing or self.extra or self.changed)


class _Live:
    """One collection's index in this process, with the lock that its readers share."""

    def __init__(self, index: VectorIndex) -> None:
        self.index = index
        self.lock = RWLockFair()
        self.unsaved = 0
        self.erased = False  # whether rows went since the last snapshot


class IndexSync:
    """Every index of this process. Before a search an index catches up with the journal.

    Several processes on one database therefore see each other's committed work.
    """

    def __init__(
        self, open_index: IndexFactory, close_engine: Callable[[], None] = lambda: None
    ) -> None:
        self._open_index, self._close_engine = open_index, close_engine
        self._live: dict[int, _Live] = {}
        self._guard = threading.Lock()

    def search(
        self, session: Session, collection: Collection, probes: Matrix, k: int
    ) -> list[list[Neighbor]]:
        """At most `k` templates a probe, as of the session's view of the collection, or newer."""
        live = self._caught_up(session, collection)
        with live.lock.gen_rlock():
            return live.index.search(probes, k)

    def size(self, session: Session, collection: Collection) -> int:
        """How many templates the index of the collection holds."""
        live = self._caught_up(session, collection)
        with live.lock.gen_rlock():
            return live.index.size()

    def settle(self, session: Session, collection: Collection) -> None:
        """Level with the journal, and no snapshot of ours holds what was deleted."""
        live = self._caught_up(session, collection)
        with live.lock.gen_wlock():
            if live.erased:
                live.index.flush()
                live.unsaved, live.erased = 0, False

    def rebuild(self, database: Database, collection: Collection) -> int:
        """Read every template again, here and, by way of the journal, in every other process.

        How many there are; others do it before their next search. Raises CollectionNotFound.
        """
        with database.write() as session:
            write_journal(session, lock_collection(session, collection), REBUILD, [None])
        with database.read() as session:
            return self.size(session, collection_by_id(session, collection.row_id))

    def compare(self, database: Database, collection: Collection) -> Difference:
        """Hold the index against the tables, after it caught up with the journal.

        A sample of the templates is asked for: each has to find itself, or one like it.
        """
        live = self._of(collection)
        with live.lock.gen_wlock(), live.index.applying(), database.read() as session:
            now = collection_by_id(session, collection.row_id)
            behind = now.revision - live.index.revision
            if behind:
                self._apply(session, now, live)
            query = select(TemplateRow.row_id).where(TemplateRow.collection_id == now.row_id)
            stored = np.array(session.scalars(query).all(), dtype=np.int64)
            indexed = live.index.ids()
        # Only now does everybody see what was just applied, this index's own search included.
        with database.read() as session:
            now = collection_by_id(session, collection.row_id)
            changed = self._changed(session, now, np.intersect1d(stored, indexed))
        return Difference(
            len(stored),
            len(indexed),
            behind,
            len(np.setdiff1d(stored, indexed)),
            len(np.setdiff1d(indexed, stored)),
            changed,
        )

    def _changed(self, session: Session, collection: Collection, held: Ids) -> int:
        """How many of a sample don't find themselves, or one like them."""
        sample = np.random.default_rng().permutation(held)[:_COMPARED]
        changed = 0
        for _, vectors in _templates(session, collection, set(sample.tolist())):
            if not len(vectors):
                continue
            own = (vectors * vectors).sum(axis=1).tolist()
            for row, like in zip(self.search(session, collection, vectors, 1), own, strict=True):
                changed += not row or abs(row[0].similarity - like) > _ROUNDING
        return changed

    def forget(self, collection: Collection) -> None:
        """Drop the index of a collection that was deleted."""
        live = self._of(collection)
        with self._guard:
            self._live.pop(collection.row_id, None)
        with live.lock.gen_wlock():
            live.index.purge()

    def close(self) -> None:
        """Close every index; each keeps what its engine can keep."""
        with self._guard:
            for live in self._live.values():
                with live.lock.gen_wlock():
                    live.index.close()
            self._live.clear()
        self._close_engine()

    def _of(self, collection: Collection) -> _Live:
        with self._guard:
            live = self._live.get(collection.row_id)
            if live is None:
                live = self._live[collection.row_id] = _Live(self._open_index(collection))
                if not live.index.shared and live.index.revision > collection.revision:
                    live.index.clear()  # a snapshot of a database that was rolled back since
            return live

    def discard_newer(self, database: Database, collection: Collection) -> None:
        """Empty an index that knows more than the database: a backup was put back.

        Others move a shared index on meanwhile, so both are read while nobody can.
        """
        live = self._of(collection)
        with live.lock.gen_wlock(), live.index.applying(), database.read() as session:
            if live.index.revision > collection_by_id(session, collection.row_id).revision:
                live.index.clear()

    def _caught_up(self, session: Session, collection: Collection) -> _Live:
        live = self._of(collection)
        if live.index.revision >= collection.revision:
            return live
        with live.lock.gen_wlock(), live.index.applying():
            if live.index.revision < collection.revision:
                self._apply(session, collection, live)
        return live

    def _apply(self, session: Session, collection: Collection, live: _Live) -> None:
        """Bring the index from its revision to the collection's, by the journal's tail."""
        query = (
            select(JournalRow.op, JournalRow.template_row_id)
            .where(
                JournalRow.collection_id == collection.row_id,
                JournalRow.revision > live.index.revision,
                JournalRow.revision <= collection.revision,
            )
            .order_by(JournalRow.revision)
        )
        rows = session.execute(query).all()
        complete = len(rows) == collection.revision - live.index.revision
        if not complete or any(row.op == REBUILD for row in rows):
            self._reload(session, collection, live)
            live.index.flush()
            return
        touched = [row.template_row_id for row in rows if row.template_row_id is not None]
        # What is in the table now is the outcome of every row about it, whatever their order.
        removed = {row.template_row_id for row in rows if row.op == REMOVE}
        for ids, vectors in _templates(session, collection, set(touched) - removed):
            live.index.upsert(ids, vectors)
        live.index.delete(np.array(sorted(removed), dtype=np.int64))
        live.index.revision = collection.revision
        live.unsaved += len(rows)
        live.erased = live.erased or bool(removed)
        if live.unsaved >= _FLUSH_EVERY:
            live.index.flush()
            live.unsaved, live.erased = 0, False

    def _reload(self, session: Session, collection: Collection, live: _Live) -> None:
        live.index.clear()
        for ids, vectors in _templates(session, collection, None):
            live.index.upsert(ids, vectors)
        live.index.revision = collection.revision
        live.unsaved = 0


def _templates(
    session: Session, collection: Collection, only: set[int] | None
) -> Iterator[tuple[Ids, Matrix]]:
    """Ids and vectors in blocks; all of the collection, or only some ids."""
    query = select(TemplateRow.row_id, TemplateRow.public_id, TemplateRow.vector).where(
        TemplateRow.collection_id == collection.row_id
    )
    if only is None:
        queries = [query.order_by(TemplateRow.row_id)]
    else:
        wanted = sorted(only)
        blocks = [wanted[i : i + 500] for i in range(0, len(wanted), 500)]
        queries = [query.where(TemplateRow.row_id.in_(block)) for block in blocks]
    for one in queries:
        for rows in session.execute(one).partitions(_CHUNK):
            ids = np.array([row.row_id for row in rows], dtype=np.int64)
            stored = [(row.public_id, row.vector) for row in rows]
            yield ids, decrypt_vectors(session, stored, collection.space.dimension)
