"""Reads and deletes waiting events, and decides which process delivers them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, or_, select, update

from app.store.db.database import Database
from app.store.db.event_tables import EventRow, EventSenderRow
from app.store.db.tables import now

_LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event to deliver; `content` is its JSON."""

    row_id: int
    event_id: str
    content: bytes


class EventQueue:
    """The waiting events as one process sees them; `holder` is the name of the process."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database, self._holder = database, holder

    def oldest(self, limit: int) -> list[WaitingEvent]:
        """Returns up to `limit` events in the order of their transactions."""
        query = select(EventRow.row_id, EventRow.event_id, EventRow.content)
        with self._database.read() as session:
            rows = session.execute(query.order_by(EventRow.row_id).limit(limit))
            return [WaitingEvent(*row) for row in rows]

    def count(self) -> int:
        """The number of waiting events."""
        with self._database.read() as session:
            return session.scalar(select(func.count(EventRow.row_id))) or 0

    def acquire(self) -> bool:
        """Makes this process the one that delivers, for a minute, unless another one is."""
        moment = now()
        free = or_(
            EventSenderRow.holder.is_(None),
            EventSenderRow.holder == self._holder,
            EventSenderRow.expires_at < moment,
        )
        row = update(EventSenderRow).where(EventSenderRow.row_id == 1, free)
        values = row.values(holder=self._holder, expires_at=moment + _LEASE)
        with self._database.write() as session:
            return session.scalar(values.returning(EventSenderRow.row_id)) is not None

    def release(self) -> None:
        """Lets another process deliver, if this one does."""
        row = update(EventSenderRow).where(EventSenderRow.holder == self._holder)
        with self._database.write() as session:
            session.execute(row.values(holder=None, expires_at=None))

    def delete(self, row_ids: Sequence[int]) -> None:
        """Deletes delivered events."""
        if row_ids:
            with self._database.write() as session:
                session.execute(delete(EventRow).where(EventRow.row_id.in_(row_ids)))
