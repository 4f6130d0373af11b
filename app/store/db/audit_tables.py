"""The tables of the audit log. Their rows outlive the people and collections that they name."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.db.tables import Base

_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


class AuditRow(Base):
    """One event. `hash` is a SHA-256 over the row and the hash of the row before, see
    `app.store.db.audit_chain`."""

    __tablename__ = "audit_log"

    sequence: Mapped[int] = mapped_column(_SEQUENCE, primary_key=True, autoincrement=False)
    time: Mapped[datetime]
    key_id: Mapped[str | None] = mapped_column(String(100))
    address: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(40))
    collection: Mapped[str | None] = mapped_column(String(100))
    person_id: Mapped[str | None] = mapped_column(String(40))
    decision: Mapped[str] = mapped_column(String(40))
    request_id: Mapped[str | None] = mapped_column(String(64))
    target_key_id: Mapped[str | None] = mapped_column(String(100))
    hash: Mapped[str] = mapped_column(String(64))


class AuditChainRow(Base):
    """The ends of the chain, in one row: the last event, and the last event that was pruned.

    Writers lock this row until the end of their transaction, so that the chain has one order.
    """

    __tablename__ = "audit_chain"

    row_id: Mapped[int] = mapped_column("id", primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(_SEQUENCE)
    hash: Mapped[str] = mapped_column(String(64))
    pruned_sequence: Mapped[int] = mapped_column(_SEQUENCE)
    pruned_hash: Mapped[str] = mapped_column(String(64))
