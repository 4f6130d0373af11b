"""Prepares the store for requests, and brings every index up to date."""

from contextlib import suppress

from app.errors import CollectionExists
from app.store.collections import create_collection, indexed_collections
from app.store.db.database import Database
from app.store.db.tables import GALLERY, SHADOW
from app.store.index_sync import IndexSync
from app.store.staging import delete_abandoned
from app.vectors import EmbeddingSpace


class Readiness:
    """Start-up work and the readiness check. `default_gallery` is created in `space`."""

    def __init__(
        self, database: Database, index_sync: IndexSync, default_gallery: str, space: EmbeddingSpace
    ) -> None:
        self._database, self._index_sync = database, index_sync
        self._default_gallery, self._space = default_gallery, space

    def prepare(self) -> None:
        """Deletes abandoned vocabularies, creates the default gallery, prepares every index."""
        delete_abandoned(self._database)
        with suppress(CollectionExists), self._database.write() as session:
            create_collection(session, self._default_gallery, GALLERY, self._space)
        with self._database.read() as session:
            collections = indexed_collections(session)
        for collection in collections:
            self._index_sync.clear_if_newer(self._database, collection)
        self.catch_up()

    def catch_up(self) -> dict[str, int]:
        """Brings every index up to date; returns the numbers of entries by collection."""
        with self._database.read() as session:
            collections = indexed_collections(session)
            for collection in collections:
                self._index_sync.size(session, collection)
            return {c.name: c.size for c in collections if c.kind != SHADOW}
