"""Queues events for a receiver, in the transaction of what they tell.

Events are made from what is recorded for the audit log, so they contain ids only.
"""

import json
import secrets
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from app.store.db.audit_chain import AuditRecord
from app.store.db.event_tables import EventRow

Outcome: TypeAlias = Literal["delivered", "failed", "refused", "dropped"]

_TYPES: Mapping[tuple[str, str], str] = {
    ("identify", "match"): "match",
    ("identify", "unknown"): "unknown",
    ("identify", "ambiguous"): "ambiguous",
    ("enroll", "enrolled"): "enrolled",
    ("visitor.promote", "enrolled"): "enrolled",
    ("visitor.delete", "deleted"): "deleted",
    ("person.delete", "deleted"): "deleted",
    ("person.merge", "deleted"): "deleted",
    ("photo.delete", "deleted"): "deleted",
    ("collection.delete", "deleted"): "deleted",
}
"""By action and decision. Other acts have no event."""


class EventCounts:
    """Counts what became of events in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock, self._counts = threading.Lock(), Counter[str]()

    def add(self, outcome: Outcome, number: int = 1) -> None:
        """Counts events."""
        with self._lock:
            self._counts[outcome] += number

    def take(self) -> Mapping[str, int]:
        """Returns the numbers since the last call."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken


@dataclass(frozen=True, slots=True)
class Outbox:
    """Which events to queue, and how many at most; further ones are dropped and counted.

    `types` are those of `SIMA_EVENTS_TYPES`; no `collections` means all.
    """

    types: frozenset[str]
    collections: frozenset[str]
    most_waiting: int
    counts: EventCounts = field(default_factory=EventCounts)

    def add(self, session: Session, records: Sequence[AuditRecord]) -> None:
        """Queues the events of what was recorded in the transaction."""
        typed = [(self._type(one), one) for one in records]
        wanted = [(type_, one) for type_, one in typed if type_ is not None]
        if not wanted:
            return
        bounds = select(func.min(EventRow.row_id), func.max(EventRow.row_id))
        first, last = session.execute(bounds).one()
        waiting = 0 if first is None else last - first + 1
        if waiting + len(wanted) > self.most_waiting:
            self.counts.add("dropped", len(wanted))
            return
        session.execute(insert(EventRow), [_row(type_, one) for type_, one in wanted])

    def _type(self, record: AuditRecord) -> str | None:
        event = record.event
        type_ = _TYPES.get((event.action, event.decision))
        if type_ not in self.types:
            return None
        return type_ if not self.collections or event.collection in self.collections else None


def _row(type_: str, record: AuditRecord) -> dict[str, object]:
    """A row with the event as JSON in the envelope of CloudEvents 1.0."""
    event, event_id = record.event, secrets.token_hex(16)
    id_name = "visitor_id" if type_ == "unknown" else "person_id"
    data = {"collection": event.collection, id_name: event.person_id}
    if type_ == "deleted":
        data["what"] = event.action.partition(".")[0]
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/collections/{event.collection}",
        "type": f"sima.{type_}",
        "time": record.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data | {"request_id": record.origin.request_id},
    }
    if event.person_id is not None:
        envelope["subject"] = event.person_id
    return {"event_id": event_id, "content": json.dumps(envelope).encode()}
