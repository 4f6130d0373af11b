"""Stores the revision of shared indexes and the lock of the process that updates one.

The table is in a database that all processes reach. The row of an index is locked while the journal
is applied, so that one process applies each journal row. If that process ends, the database rolls
back and releases the lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.index.base import Transactions

_STATES = Table(
    "index_states",
    MetaData(),
    Column("name", String(80), primary_key=True),
    Column("key", String(200), nullable=False),
    Column("revision", BigInteger, nullable=False),
)


@dataclass(slots=True)
class LockedState:
    """A locked row: `revision` is stored when the lock is released. `session` is the transaction
    that holds the lock."""

    session: Session
    revision: int


class SharedIndexState:
    """The row of one index. `key` differs if another collection had the same name before."""

    def __init__(self, transactions: Transactions, name: str, key: str) -> None:
        self._transactions, self._name, self._key = transactions, name, key

    def create(self) -> bool:
        """Creates the row if needed; False if the name belonged to an index with another key,
        whose rows must be deleted."""
        with self._transactions.write() as session:
            _STATES.metadata.create_all(session.connection())
        with self._transactions.write() as session:
            query = select(_STATES.c.key).where(_STATES.c.name == self._name).with_for_update()
            known = session.scalar(query)
            if known == self._key:
                return True
            row = {"name": self._name, "key": self._key, "revision": 0}
            session.execute(delete(_STATES).where(_STATES.c.name == self._name))
            try:
                with session.begin_nested():
                    session.execute(insert(_STATES).values(row))
            except IntegrityError:  # another process inserted it first
                return True
            return known is None

    def revision(self) -> int:
        """The stored revision; 0 without a row."""
        with self._transactions.read() as session:
            query = select(_STATES.c.revision).where(_STATES.c.name == self._name)
            return session.scalar(query) or 0

    @contextmanager
    def lock(self) -> Iterator[LockedState]:
        """Waits for the row's lock; the row is updated at the end of the block without an error."""
        own = (_STATES.c.name == self._name) & (_STATES.c.key == self._key)
        with self._transactions.write() as session:
            found = session.scalar(select(_STATES.c.revision).where(own).with_for_update())
            locked = LockedState(session, found or 0)
            yield locked
            session.execute(update(_STATES).where(own).values(revision=locked.revision))

    def delete(self, session: Session) -> None:
        """Deletes the row."""
        session.execute(delete(_STATES).where(_STATES.c.name == self._name))
