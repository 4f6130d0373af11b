"""Deletes expired data and purges deleted bytes from snapshots and the write-ahead log."""

from datetime import timedelta

from app.logs import get_logger
from app.store.collections import indexed_collections
from app.store.db.database import Database
from app.store.erasures import complete_receipts, incomplete_receipts
from app.store.idempotency import delete_expired_keys
from app.store.index_sync import IndexSync
from app.store.photos import delete_expired_photos

_RETRY_SECONDS = 10.0

_log = get_logger(__name__)


class Housekeeper:
    """Runs every `seconds`. `run` may be called in any process at any time."""

    def __init__(self, database: Database, index_sync: IndexSync, seconds: float) -> None:
        self._database, self._index_sync = database, index_sync
        self.seconds = seconds
        self.retry_seconds = min(seconds, _RETRY_SECONDS)
        """The interval after a round that could not purge everything."""

    @property
    def purge_within(self) -> timedelta:
        """The time in which deleted bytes are purged: one interval, and one running round."""
        return timedelta(seconds=2 * self.seconds)

    def run(self) -> bool:
        """Deletes expired photos and keys, then purges deleted rows from snapshots and the log.

        Completes the receipts of what was deleted before the round. Returns False, and leaves them
        incomplete, if the log could not be truncated.
        """
        with self._database.write() as session:
            delete_expired_photos(session)
            delete_expired_keys(session)
        with self._database.read() as session:
            receipts = incomplete_receipts(session)
            for collection in indexed_collections(session):
                self._index_sync.flush_deletions(session, collection)
        if not self._database.truncate_wal():
            _log.warning(
                "wal_not_truncated",
                incomplete_erasures=len(receipts),
                reason="a transaction is open for long; look for a process that uses the database",
                retry_seconds=self.retry_seconds,
            )
            return False
        if receipts:
            with self._database.write() as session:
                complete_receipts(session, receipts)
        return True
