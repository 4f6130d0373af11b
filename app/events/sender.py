"""Delivers waiting events in a thread: at least once, in order, by one process at a time."""

import secrets
import threading
import time

from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from app.errors import SimaError
from app.events.receiver import NotDelivered, Receiver, Refused
from app.logs import get_logger
from app.store.db.database import Database
from app.store.db.outbox import EventCounts
from app.store.event_queue import EventQueue, WaitingEvent

_BATCH = 50
_POLL_SECONDS, _RENEW_SECONDS, _LONGEST_PAUSE, _CLOSE_SECONDS = 0.5, 20.0, 30.0, 15.0
_log = get_logger(__name__)


class EventSender:
    """Sends events to the receiver until `close`; one that fails is repeated with backoff."""

    def __init__(self, database: Database, receiver: Receiver, counts: EventCounts) -> None:
        self._queue = EventQueue(database, secrets.token_hex(8))
        self._receiver, self.counts = receiver, counts
        self._closed = threading.Event()
        self._renewed_at = 0.0
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after the event that it is sending; the others keep waiting."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def waiting(self) -> int:
        """The number of waiting events."""
        return self._queue.count()

    def _run(self) -> None:
        retrying = Retrying(
            wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE),
            retry=retry_if_exception_type((NotDelivered, SimaError)),
            stop=stop_when_event_set(self._closed),
            sleep=sleep_using_event(self._closed),
            before_sleep=_log_failure,
        )
        while not self._closed.is_set():
            try:
                sent = retrying(self._send_batch)
            except RetryError:
                break  # closed
            except Exception:
                _log.exception("events_failed")
                sent = False
            if not sent:
                self._closed.wait(_POLL_SECONDS)
        self._release()

    def _send_batch(self) -> bool:
        """Sends the oldest events; returns False if there are none, or another process does.

        Raises NotDelivered, after those before it have been deleted.
        """
        waiting = self._queue.oldest(_BATCH)
        if not waiting or not self._acquire():
            return False
        done: list[int] = []
        try:
            for event in waiting:
                if self._closed.is_set() or not self._acquire():
                    break
                self._send(event)
                done.append(event.row_id)
        finally:
            self._queue.delete(done)
        return bool(done)

    def _send(self, event: WaitingEvent) -> None:
        try:
            self._receiver.send(event)
        except NotDelivered:
            self.counts.add("failed")
            raise
        except Refused as refused:
            self.counts.add("refused")
            _log.warning("event_refused", event_id=event.event_id, reason=str(refused))
        else:
            self.counts.add("delivered")

    def _acquire(self) -> bool:
        """Renews the claim of this process from time to time; False if another one delivers."""
        moment = time.monotonic()
        if self._renewed_at and moment - self._renewed_at < _RENEW_SECONDS:
            return True
        acquired = self._queue.acquire()
        self._renewed_at = moment if acquired else 0.0
        return acquired

    def _release(self) -> None:
        try:
            if self._renewed_at:
                self._queue.release()
        except SimaError as error:
            _log.warning("events_not_released", reason=str(error))


def _log_failure(state: RetryCallState) -> None:
    """Logs the failures of one event, seldom when there are many."""
    number = state.attempt_number
    if state.outcome is not None and number & (number - 1) == 0:
        reason = str(state.outcome.exception())
        _log.warning("event_not_delivered", attempts=number, reason=reason)
