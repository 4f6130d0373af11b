"""Deletes expired data and purges deleted bytes from snapshots and the write-ahead log."""

from datetime import timedelta

from app.store.collections import indexed_collections
from app.store.db.database import Database
from app.store.idempotency import delete_expired_keys
from app.store.index_sync import IndexSync
from app.store.photos import delete_expired_photos


class Housekeeper:
    """Runs every `seconds`. `run` may be called in any process at any time."""

    def __init__(self, database: Database, index_sync: IndexSync, seconds: float) -> None:
        self._database, self._index_sync = database, index_sync
        self.seconds = seconds

    @property
    def purge_within(self) -> timedelta:
        """The longest time until deleted bytes are purged: one interval, and one running round."""
        return timedelta(seconds=2 * self.seconds)

    def run(self) -> None:
        """Deletes expired photos and keys, then purges deleted rows from snapshots and the log."""
        with self._database.write() as session:
            delete_expired_photos(session)
            delete_expired_keys(session)
        with self._database.read() as session:
            for collection in indexed_collections(session):
                self._index_sync.flush_deletions(session, collection)
        self._database.truncate_wal()
