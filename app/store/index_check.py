"""Compares indexes with the database, and rebuilds them."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.collections import (
    Collection,
    collection_by_id,
    indexed_collections,
    lock_collection,
    request_rebuild,
)
from app.store.db.database import Database
from app.store.db.tables import TemplateRow
from app.store.index_sync import IndexSync
from app.store.templates import read_vectors
from app.vectors import Ids

_SAMPLE = 1_000  # templates whose vectors are compared
_TOLERANCE = 1e-3  # of a similarity


@dataclass(frozen=True, slots=True)
class IndexDifference:
    """Numbers of templates in the database (`stored`) and in the index (`indexed`).

    `behind` is the number of journal rows that were pending, which is normal. `missing` templates
    are only in the database, `extra` ones only in the index; `changed` ones of a sample have
    another vector in the index.
    """

    stored: int
    indexed: int
    behind: int
    missing: int
    extra: int
    changed: int

    @property
    def equal(self) -> bool:
        """Whether the index contains exactly the stored templates."""
        return not (self.missing or self.extra or self.changed)


class IndexCheck:
    """Compares and rebuilds the indexes of all collections."""

    def __init__(self, database: Database, index_sync: IndexSync) -> None:
        self._database, self._index_sync = database, index_sync

    def compare_all(self) -> dict[str, IndexDifference]:
        """Compares every index with the database; returns the differences by collection."""
        return {c.name: self.compare(c) for c in self._collections()}

    def rebuild_all(self) -> dict[str, int]:
        """Rebuilds every index; returns the numbers of templates by collection."""
        return {c.name: self.rebuild(c) for c in self._collections()}

    def compare(self, collection: Collection) -> IndexDifference:
        """Compares the up-to-date index with the templates of the collection."""
        with self._index_sync.exclusive(self._database, collection) as (session, content):
            query = select(TemplateRow.row_id).where(
                TemplateRow.collection_id == content.collection.row_id
            )
            stored = np.array(session.scalars(query).all(), dtype=np.int64)
        indexed = content.indexed
        # A shared index shows the applied rows only after the block above has ended.
        with self._database.read() as session:
            current = collection_by_id(session, collection.row_id)
            changed = self._count_changed(session, current, np.intersect1d(stored, indexed))
        return IndexDifference(
            stored=len(stored),
            indexed=len(indexed),
            behind=content.pending,
            missing=len(np.setdiff1d(stored, indexed)),
            extra=len(np.setdiff1d(indexed, stored)),
            changed=changed,
        )

    def rebuild(self, collection: Collection) -> int:
        """Rebuilds the index from the database; returns its number of templates.

        Other processes do the same before their next search. Raises CollectionNotFound.
        """
        with self._database.write() as session:
            request_rebuild(session, lock_collection(session, collection))
        with self._database.read() as session:
            current = collection_by_id(session, collection.row_id)
            return self._index_sync.size(session, current)

    def _collections(self) -> list[Collection]:
        with self._database.read() as session:
            return indexed_collections(session)

    def _count_changed(self, session: Session, collection: Collection, row_ids: Ids) -> int:
        """Counts the templates of a sample that do not find themselves or an equal vector."""
        sample = np.random.default_rng().permutation(row_ids)[:_SAMPLE]
        changed = 0
        for _, vectors in read_vectors(session, collection, set(sample.tolist())):
            if not len(vectors):
                continue
            norms = (vectors * vectors).sum(axis=1).tolist()
            found = self._index_sync.search(session, collection, vectors, 1)
            for neighbors, norm in zip(found, norms, strict=True):
                changed += not neighbors or abs(neighbors[0].similarity - norm) > _TOLERANCE
        return changed
