"""Appends events to the audit log, each with a hash over itself and the hash of the event before.

A write scope appends its events as its last statements: the lock on the end of the chain is held
for the commit only, and no other lock is taken while it is held, so writers cannot deadlock.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from app.audit_events import AuditEvent, Origin, current_origin
from app.errors import NotReady
from app.store.db.audit_tables import AuditChainRow, AuditRow
from app.store.db.tables import now

CHAIN_ROW = 1
NO_HASH = "0" * 64
"""The hash before the first event."""

RECORDS = "audit"
"""Key in `Session.info`: the events to append at the end of the transaction, as a list. It is
absent in a database that is not audited."""

_ADDRESS_LENGTH = 64

_END = (
    select(AuditChainRow.sequence, AuditChainRow.hash)
    .where(AuditChainRow.row_id == CHAIN_ROW)
    .with_for_update()
)
_MOVE_END = (
    update(AuditChainRow)
    .where(AuditChainRow.row_id == CHAIN_ROW)
    .values(sequence=bindparam("last"), hash=bindparam("last_hash"))
)
_INSERT = insert(AuditRow)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An event with its origin and the time when it happened, in UTC."""

    time: datetime
    origin: Origin
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A stored row of the audit log."""

    sequence: int
    time: datetime
    key_id: str | None
    address: str | None
    action: str
    collection: str | None
    person_id: str | None
    decision: str
    request_id: str | None
    target_key_id: str | None
    hash: str

    def content(self) -> dict[str, object]:
        """All fields as JSON values, the time in ISO 8601 with microseconds, in UTC."""
        time = self.time.astimezone(UTC).isoformat(timespec="microseconds")
        return {**asdict(self), "time": time}


def record(session: Session, event: AuditEvent) -> None:
    """Appends the event to the audit log when the write scope of the session commits.

    Nothing happens in a database that is not audited.
    """
    add_records(session, [record_of(event)])


def add_records(session: Session, records: Sequence[AuditRecord]) -> None:
    """Like `record`, for events that happened before."""
    if RECORDS in session.info:
        session.info[RECORDS].extend(records)


def record_of(event: AuditEvent) -> AuditRecord:
    """The event with the present time and the origin of the present task."""
    return AuditRecord(now(), current_origin(), event)


def append_records(session: Session) -> None:
    """Appends what was recorded in the session. Raises NotReady if the chain has no end."""
    records: list[AuditRecord] | None = session.info.get(RECORDS)
    if records:
        _append(session, records)
        records.clear()


def hash_of(entry: AuditEntry, previous_hash: str) -> str:
    """SHA-256 of `entry.content()` without `hash`, with `previous_hash`: JSON, sorted keys.

    Without `target_key_id` if it is None: events of earlier versions have none.
    """
    content = entry.content() | {"previous_hash": previous_hash}
    del content["hash"]
    if entry.target_key_id is None:
        del content["target_key_id"]
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def _append(session: Session, records: Sequence[AuditRecord]) -> None:
    connection = session.connection()
    end = connection.execute(_END).one_or_none()
    if end is None:
        raise NotReady(
            "the row of audit_chain was deleted, so nothing can be recorded; restore a backup, or "
            "set SIMA_AUDIT=off"
        )
    sequence, last_hash = int(end[0]), str(end[1])
    rows = []
    for number, one in enumerate(records, start=sequence + 1):
        entry = _entry(number, one, last_hash)
        last_hash = entry.hash
        rows.append({**asdict(entry), "time": entry.time})
    connection.execute(_INSERT, rows)
    connection.execute(_MOVE_END, {"last": sequence + len(rows), "last_hash": last_hash})


def _entry(sequence: int, one: AuditRecord, previous_hash: str) -> AuditEntry:
    origin, event = one.origin, one.event
    values = (
        sequence,
        one.time,
        origin.key_id,
        origin.address and origin.address[:_ADDRESS_LENGTH],
        event.action,
        event.collection,
        event.person_id,
        event.decision,
        origin.request_id,
        event.target_key_id,
    )
    return AuditEntry(*values, hash_of(AuditEntry(*values, ""), previous_hash))
