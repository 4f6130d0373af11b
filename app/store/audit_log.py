"""Verifies, reads and prunes the audit log, in short transactions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.errors import InvalidRequest
from app.errors_access import AuditLogDamaged
from app.store.db.audit_chain import CHAIN_ROW, AuditEntry, hash_of
from app.store.db.audit_tables import AuditChainRow, AuditRow
from app.store.db.database import Database
from app.store.db.tables import now

_BLOCK = 2_000  # rows per transaction
_PRUNED_EVERY = timedelta(days=1)
_COLUMNS = (
    AuditRow.sequence,
    AuditRow.time,
    AuditRow.key_id,
    AuditRow.address,
    AuditRow.action,
    AuditRow.collection,
    AuditRow.person_id,
    AuditRow.decision,
    AuditRow.request_id,
    AuditRow.target_key_id,
    AuditRow.hash,
)


@dataclass(frozen=True, slots=True)
class Link:
    """An event's sequence number and hash, in hexadecimal; 0 and zeros before the first event."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> "Link":
        """Reads `SEQUENCE:HASH`, as `str` writes it. Raises InvalidRequest."""
        sequence, _, hash_ = text.partition(":")
        if not sequence.isascii() or not sequence.isdigit() or len(hash_) != 64:
            raise InvalidRequest("head", "the head is invalid; pass what `sima audit head` printed")
        return cls(int(sequence), hash_)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Chain:
    """The ends of the log: the last event, and the last one that was pruned."""

    head: Link
    pruned: Link


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to read; None means all. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    collection: str | None = None
    action: str | None = None


class AuditLog:
    """The audit log of a database, also one that is no longer audited."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def chain(self) -> Chain:
        """Returns the ends of the log. Raises AuditLogDamaged if they were deleted."""
        with self._database.read() as session:
            return _chain(session)

    def verify(self, noted: Link | None = None) -> Chain:
        """Recomputes every hash; returns the ends of the log.

        `noted` is the head at an earlier time: the log must still contain that event. Raises
        AuditLogDamaged with the first bad event. Events may be added, and pruned, meanwhile.
        """
        while True:
            chain = self.chain()
            try:
                self._verify(chain, noted)
            except AuditLogDamaged:
                if self.chain().pruned == chain.pruned:
                    raise
            else:
                return chain

    def entries(self, wanted: AuditFilter) -> Iterator[AuditEntry]:
        """Yields events in order, as far as they are stored when their block is read."""
        return self._read(_filtered(wanted), 0)

    def page(self, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditEntry]:
        """Returns at most `limit` events, newest first; with `before`, those of lower numbers.

        Raises AuditLogDamaged.
        """
        query = _filtered(wanted).order_by(AuditRow.sequence.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditRow.sequence < before)
        with self._database.read() as session:
            return list(_entries(session, query))

    def prune(self, before: datetime, checked: bool = True) -> int:
        """Deletes the events before the first one at or after `before`; returns their number.

        The hash of the last one is kept, so that the others can still be verified. Raises
        AuditLogDamaged, unless `checked` is false, where a deletion would hide a manipulation.
        """
        count = 0
        while pruned := self._prune_block(before, checked):
            count += pruned
        if count:
            self._database.record(AuditEvent("audit.prune", "pruned"))
        return count

    def _verify(self, chain: Chain, noted: Link | None) -> None:
        last = chain.pruned
        if noted is not None and noted.sequence < last.sequence:
            raise InvalidRequest(
                "head", f"event {noted.sequence} was pruned; pass the head of a later time"
            )
        _require_noted(last, noted)
        for entry in self._read(select(*_COLUMNS), 0):
            last = _next_link(last, entry)
            _require_noted(last, noted)
            if entry.sequence == chain.head.sequence and entry.hash != chain.head.hash:
                raise AuditLogDamaged(entry.sequence, "is not the event that was appended last")
        expected = max(chain.head.sequence, noted.sequence if noted else 0)
        if last.sequence < expected:
            raise AuditLogDamaged(last.sequence + 1, "and all later events were removed")
        if last.sequence > self.chain().head.sequence:
            raise AuditLogDamaged(last.sequence, "is later than the event that was appended last")

    def _read(self, query: Select[*tuple[Any, ...]], after: int) -> Iterator[AuditEntry]:
        while True:
            later = query.where(AuditRow.sequence > after).order_by(AuditRow.sequence)
            block: list[AuditEntry] = []
            damage: AuditLogDamaged | None = None
            with self._database.read() as session:
                try:
                    block.extend(_entries(session, later.limit(_BLOCK)))  # keeps those before it
                except AuditLogDamaged as error:
                    damage = error
            yield from block
            if damage is not None:
                raise damage
            if len(block) < _BLOCK:
                return
            after = block[-1].sequence

    def _prune_block(self, before: datetime, checked: bool) -> int:
        with self._database.write() as session:
            lock = select(AuditChainRow.row_id).where(AuditChainRow.row_id == CHAIN_ROW)
            session.execute(lock.with_for_update())
            last, count = _chain(session).pruned, 0
            query = select(*_COLUMNS).order_by(AuditRow.sequence).limit(_BLOCK)
            for entry in _entries(session, query):
                if entry.time >= before:
                    break
                last = _next_link(last, entry) if checked else Link(entry.sequence, entry.hash)
                count += 1
            session.execute(delete(AuditRow).where(AuditRow.sequence <= last.sequence))
            session.execute(
                update(AuditChainRow)
                .where(AuditChainRow.row_id == CHAIN_ROW)
                .values(pruned_sequence=last.sequence, pruned_hash=last.hash)
            )
            return count


def prune_expired(database: Database, lifetime: timedelta) -> None:
    """Prunes events older than `lifetime` as soon as the oldest one has expired for a day.

    Raises AuditLogDamaged.
    """
    expired = now() - lifetime
    with database.read() as session:
        oldest = session.scalar(select(AuditRow.time).order_by(AuditRow.sequence).limit(1))
    if oldest is not None and oldest < expired - _PRUNED_EVERY:
        AuditLog(database).prune(expired)


def _filtered(wanted: AuditFilter) -> Select[*tuple[Any, ...]]:
    query = select(*_COLUMNS)
    if wanted.since is not None:
        query = query.where(AuditRow.time >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditRow.time < wanted.until)
    if wanted.collection is not None:
        query = query.where(AuditRow.collection == wanted.collection)
    if wanted.action is not None:
        query = query.where(AuditRow.action == wanted.action)
    return query


def _entries(session: Session, query: Select[*tuple[Any, ...]]) -> Iterator[AuditEntry]:
    """Yields the entries in order. Raises AuditLogDamaged at one whose time is not a time."""
    try:
        rows = session.execute(query).all()
    except (TypeError, ValueError):  # SQLite stores values of any type in any column
        yield from _readable_entries(session, query)
    else:
        yield from (AuditEntry(*row) for row in rows)


def _readable_entries(session: Session, query: Select[*tuple[Any, ...]]) -> Iterator[AuditEntry]:
    for sequence in session.scalars(query.with_only_columns(AuditRow.sequence)).all():
        try:
            [row] = session.execute(query.where(AuditRow.sequence == sequence)).all()
        except (TypeError, ValueError):
            raise AuditLogDamaged(sequence, "was changed: its time is invalid") from None
        yield AuditEntry(*row)


def _chain(session: Session) -> Chain:
    query = select(
        AuditChainRow.sequence,
        AuditChainRow.hash,
        AuditChainRow.pruned_sequence,
        AuditChainRow.pruned_hash,
    ).where(AuditChainRow.row_id == CHAIN_ROW)
    found = session.execute(query).one_or_none()
    if found is None:
        raise AuditLogDamaged(0, "cannot be checked: the row of audit_chain was deleted")
    return Chain(Link(found[0], found[1]), Link(found[2], found[3]))


def _next_link(last: Link, entry: AuditEntry) -> Link:
    """The link of the entry. Raises AuditLogDamaged unless it is the intact successor of `last`."""
    if entry.sequence <= last.sequence:
        raise AuditLogDamaged(entry.sequence, "was added after it had been pruned")
    if entry.sequence > last.sequence + 1:
        raise AuditLogDamaged(last.sequence + 1, "was removed")
    if not _is_intact(entry, last.hash):
        raise AuditLogDamaged(entry.sequence, "was changed, or the one before it")
    return Link(entry.sequence, entry.hash)


def _is_intact(entry: AuditEntry, previous_hash: str) -> bool:
    try:
        return hash_of(entry, previous_hash) == entry.hash
    except TypeError:  # SQLite stores values of any type in any column
        return False


def _require_noted(link: Link, noted: Link | None) -> None:
    if noted is not None and noted.sequence == link.sequence and noted.hash != link.hash:
        raise AuditLogDamaged(
            noted.sequence, "is not the one whose hash was noted: the log was rewritten"
        )
