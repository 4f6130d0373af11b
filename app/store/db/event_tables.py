"""The tables of events that wait for their delivery."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.db.tables import Base


class EventRow(Base):
    """An event to deliver: the bytes of its JSON. It is deleted when it was delivered."""

    __tablename__ = "events"
    __table_args__ = ({"sqlite_autoincrement": True},)

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    event_id: Mapped[str] = mapped_column(String(40))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class EventSenderRow(Base):
    """The process that delivers events, until `expires_at`. There is one row, with the id 1."""

    __tablename__ = "event_sender"

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(40))
    expires_at: Mapped[datetime | None]
