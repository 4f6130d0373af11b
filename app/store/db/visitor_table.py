"""The table of visitors: unknown faces that are recognised again."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.store.db.tables import Base


class VisitorRow(Base):
    """When a visitor was last seen, and when the entry of the visitor is deleted."""

    __tablename__ = "visitors"
    __table_args__ = (Index("ix_visitors_expires", "expires_at"),)

    entry_id: Mapped[int] = mapped_column(
        ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True
    )
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
