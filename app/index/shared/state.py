"""Where the indexes stand that several processes share, and who may move one of them.

Its table lies in a database that all of them reach. A row is locked while the journal is applied,
so every journal row is applied by one process; a process that dies gives the lock back unchanged.
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
class Held:
    """A locked row: set `revision`, and it is kept when the lock ends. `session` is the
    transaction that holds it."""

    session: Session
    revision: int


class SharedIndexState:
    """The row of one index. `key` tells one collection from another that had its name before."""

    def __init__(self, transactions: Transactions, name: str, key: str) -> None:
        self._transactions, self._name, self._key = transactions, name, key

    def prepare(self) -> bool:
        """Make the row; False where what lies under the name belongs to another collection."""
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
            except IntegrityError:  # another process was faster
                return True
            return known is None

    def revision(self) -> int:
        """What the index holds at the moment."""
        with self._transactions.read() as session:
            query = select(_STATES.c.revision).where(_STATES.c.name == self._name)
            return session.scalar(query) or 0

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """Wait for the row's lock; the row is written at the end of the block, unless it fails."""
        mine = (_STATES.c.name == self._name) & (_STATES.c.key == self._key)
        with self._transactions.write() as session:
            found = session.scalar(select(_STATES.c.revision).where(mine).with_for_update())
            held = Held(session, found or 0)
            yield held
            session.execute(update(_STATES).where(mine).values(revision=held.revision))

    def delete(self, session: Session) -> None:
        """Forget the row."""
        session.execute(delete(_STATES).where(_STATES.c.name == self._name))
