"""Records decisions in the audit log, those of many requests in one transaction."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from app.audit_events import AuditEvent
from app.errors import Overloaded, SimaError
from app.logs import get_logger
from app.store.db.audit_chain import AuditRecord, add_records, record_of
from app.store.db.database import Database

MOST_WAITING = 10_000
"""Events that may wait for the database."""

_RETRY_SECONDS, _CLOSE_SECONDS = 0.2, 10.0
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    records: list[AuditRecord]
    stored: Future[None]


class AuditQueue:
    """Appends events in a thread, in the order of `put`. While the database cannot be written, they
    wait in memory, so that decisions, which only read, do not depend on the lock of a writer."""

    def __init__(self, database: Database, most_waiting: int = MOST_WAITING) -> None:
        self._database, self._most = database, most_waiting
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._size, self._closed = 0, False
        self._thread: threading.Thread | None = None

    def put(self, events: Sequence[AuditEvent]) -> Future[None]:
        """Returns a future that is done when the events are stored.

        Raises Overloaded if too many events wait: nothing is decided that cannot be recorded.
        """
        stored: Future[None] = Future()
        if not self._database.keeps_records or not events:
            stored.set_result(None)
            return stored
        records = [record_of(event) for event in events]
        with self._changed:
            if self._closed or self._size + len(records) > self._most:
                raise Overloaded(
                    "the audit log cannot be written, so nothing is decided; look for the reason "
                    "in the log of the service, such as a full disk or a locked database"
                )
            self._waiting.append(_Waiting(records, stored))
            self._size += len(records)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()
            self._changed.notify()
        return stored

    def close(self) -> None:
        """Writes what waits, and ends the thread. Logs an error if events could not be written."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)
        with self._changed:
            if self._size:
                _log.error("audit_events_lost", events=self._size)

    def _run(self) -> None:
        failing = False
        while batch := self._next():
            try:
                self._write(batch)
            except Exception as error:  # whatever happens, the events are kept
                if not failing:
                    expected = isinstance(error, SimaError)
                    _log.error("audit_log_not_written", reason=str(error), exc_info=not expected)
                failing = True
                if self._stop_after_failure():
                    return
                continue
            failing = False
            with self._changed:
                del self._waiting[: len(batch)]
                self._size -= sum(len(one.records) for one in batch)
            for one in batch:
                one.stored.set_result(None)

    def _next(self) -> list[_Waiting]:
        """Waits for events; returns none after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return list(self._waiting)

    def _write(self, batch: Sequence[_Waiting]) -> None:
        with self._database.write() as session:
            for one in batch:
                add_records(session, one.records)

    def _stop_after_failure(self) -> bool:
        """Waits before the next attempt; returns whether there is none."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, _RETRY_SECONDS)
