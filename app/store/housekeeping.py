"""Deletes expired data and purges deleted bytes from snapshots and the files of the database."""

from collections.abc import Sequence
from datetime import timedelta

from app.errors_access import AuditLogDamaged
from app.logs import get_logger
from app.store.audit_log import prune_expired
from app.store.collections import indexed_collections
from app.store.db.database import Database
from app.store.erasures import complete_receipts, incomplete_receipts
from app.store.idempotency import delete_expired_keys
from app.store.index_sync import IndexSync
from app.store.template_images import delete_expired_images
from app.store.visitors import delete_expired_visitors

_RETRY_SECONDS = 10.0
# A process that waited for another one to rewrite the file would rewrite it once more.
_REWRITE_WAIT_SECONDS = 0.2

_log = get_logger(__name__)


class Housekeeper:
    """Runs every `seconds`. `run` may be called in any process at any time.

    Events older than `audit_lifetime` are deleted from the audit log once a day.
    """

    def __init__(
        self,
        database: Database,
        index_sync: IndexSync,
        seconds: float,
        audit_lifetime: timedelta | None = None,
    ) -> None:
        self._database, self._index_sync = database, index_sync
        self._audit_lifetime = audit_lifetime
        self.seconds = seconds
        self.retry_seconds = min(seconds, _RETRY_SECONDS)
        """The interval after a round that could not purge everything."""

    @property
    def purge_within(self) -> timedelta:
        """The time in which deleted bytes are purged: one interval, and one running round."""
        return timedelta(seconds=2 * self.seconds)

    def run(self) -> bool:
        """Deletes expired images, keys, visitors; purges deleted rows from snapshots and the log.

        Completes the receipts of what was deleted before the round, after an SQLite file was
        rewritten. Returns False, and leaves them incomplete, if a transaction or a lack of disk
        space prevented it.
        """
        with self._database.write() as session:
            delete_expired_images(session)
            delete_expired_keys(session)
            delete_expired_visitors(session)
        self._prune_audit_log()
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
        return self._complete(receipts)

    def _complete(self, receipts: Sequence[str]) -> bool:
        """Rewrites the database file, unless another process has completed the receipts."""
        with self._database.read() as session:
            pending = set(receipts).intersection(incomplete_receipts(session))
        if not pending:
            return True
        if not self._database.rewrite_file(_REWRITE_WAIT_SECONDS):
            _log.info(
                "erasures_incomplete",
                incomplete_erasures=len(pending),
                reason="the database file could not be rewritten; the line before states why",
                retry_seconds=self.retry_seconds,
            )
            return False
        with self._database.write() as session:
            complete_receipts(session, receipts)
        return True

    def _prune_audit_log(self) -> None:
        """A damaged log is not pruned, since that would hide the damage; it does not prevent the
        other work."""
        if self._audit_lifetime is None:
            return
        try:
            prune_expired(self._database, self._audit_lifetime)
        except AuditLogDamaged as error:
            _log.error("audit_log_damaged", reason=str(error))
