"""What has to be done now and then, so that what was deleted is gone everywhere."""

from datetime import timedelta

from app.store.collections import indexed_collections
from app.store.db.database import Database
from app.store.idempotency import discard_old_keys
from app.store.index_sync import IndexSync
from app.store.photos import discard_expired


class Housekeeper:
    """`tidy` may run in any process at any time."""

    def __init__(self, database: Database, index_sync: IndexSync, seconds: float) -> None:
        self._database, self._index_sync = database, index_sync
        self.seconds = seconds

    @property
    def within(self) -> timedelta:
        """How long deleted bytes may stay in snapshots and logs: one round that was just over,
        and one that runs."""
        return timedelta(seconds=2 * self.seconds)

    def tidy(self) -> None:
        """Photos and keys whose time is over, snapshots and logs with deleted rows."""
        with self._database.write() as session:
            discard_expired(session)
            discard_old_keys(session)
        with self._database.read() as session:
            for collection in indexed_collections(session):
                self._index_sync.settle(session, collection)
        self._database.truncate_wal()
