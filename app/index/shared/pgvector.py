"""Searches vectors in PostgreSQL with pgvector: a table of vectors and a table of sign codes.

In a small table PostgreSQL compares all vectors. In a large one it compares all sign codes, and the
nearest ones are re-ranked by their vectors (ADR 13 has the measurements against HNSW).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.index.base import Transactions
from app.index.shared.sign_codes import BITS, SignCodes
from app.index.shared.state import SharedIndexState
from app.vectors import Ids, Matrix, Neighbor, Vector

SIGN_CODES_FROM = 10_000
"""Approximate number of rows from which on sign codes select the candidates."""

_LAYOUT = "2"  # of the tables; another layout is rebuilt from the journal
_MAX_INLINE = 1_900  # dimensions that fit on a page; larger vectors are in the TOAST table
_LEAST_CANDIDATES, _CANDIDATES_PER_NEIGHBOR = 1_000, 20
_PAGE_BYTES, _CODES_PER_PAGE = 8_192, 75
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"


class PgVectorIndex:
    """An index in PostgreSQL; rows and revision are changed in one transaction."""

    shared = True

    def __init__(
        self,
        dimension: int,
        transactions: Transactions,
        name: str,
        key: str,
        sign_codes_from: int = SIGN_CODES_FROM,
    ) -> None:
        self._dimension, self._transactions, self._table = dimension, transactions, name
        self._codes_table, self._sign_codes_from = f"{name}_codes", sign_codes_from
        self._codes = SignCodes(dimension)
        self._session: Session | None = None
        self._state = SharedIndexState(transactions, name, f"{key} {_LAYOUT}")
        self._create(outdated=not self._state.create())
        self.revision = self._state.revision()

    @contextmanager
    def applying(self) -> Iterator[None]:
        """One transaction, which holds the lock of the index state."""
        with self._state.lock() as locked:
            self._session, self.revision = locked.session, locked.revision
            try:
                yield
                locked.revision = self.revision
            except BaseException:
                self.revision = 0  # unknown; the next `applying` reads it
                raise
            finally:
                self._session = None

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; the last row wins where an id is repeated."""
        if not len(ids):
            return
        last = {int(row_id): row for row, row_id in enumerate(ids)}
        distinct = np.array(list(last), dtype=np.int64)
        with self._writing() as session:
            session.execute(
                text(f"CREATE TEMP TABLE incoming (id bigint, embedding vector, code bit({BITS}))")
            )
            chosen = vectors[list(last.values())]
            _copy(session, distinct, chosen, self._codes(chosen))
            for table, column in self._columns:
                session.execute(
                    text(
                        f"INSERT INTO {table} SELECT id, {column} FROM incoming "  # noqa: S608 - our name
                        f"ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}"
                    )
                )
            session.execute(text("DROP TABLE incoming"))

    def delete(self, ids: Ids) -> None:
        """Delete rows by id; unknown ids are ignored."""
        with self._writing() as session:
            for table, _ in self._columns:
                query = f"DELETE FROM {table} WHERE id = ANY(:ids)"  # noqa: S608 - our name
                session.execute(text(query), {"ids": [int(i) for i in ids]})

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Exact search in a small table; in a large one among candidates selected by sign codes."""
        if k < 1:
            return [[] for _ in probes]
        with self._transactions.read() as session:
            # JIT compilation of the plan takes longer than it saves.
            prepare = "SELECT set_config('jit', 'off', true), pg_relation_size(:codes)"
            _, table_bytes = session.execute(text(prepare), {"codes": self._codes_table}).one()
            if table_bytes // _PAGE_BYTES * _CODES_PER_PAGE < self._sign_codes_from:
                # So does starting parallel workers for a small table.
                session.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
                return [self._ranked(session, self._table, {}, probe, k) for probe in probes]
            return [self._by_codes(session, probe, k) for probe in probes]

    def size(self) -> int:
        """Number of rows."""
        with self._transactions.read() as session:
            return session.scalar(text(f"SELECT count(*) FROM {self._table}")) or 0  # noqa: S608 - our name

    def ids(self) -> Ids:
        """All ids, in no particular order, including those of the transaction in progress."""
        with self._writing() as session:
            rows = session.scalars(text(f"SELECT id FROM {self._table}"))  # noqa: S608 - our name
            return np.array(rows.all(), dtype=np.int64)

    def clear(self) -> None:
        """Delete all rows and set the revision to 0; others see it when the transaction ends."""
        with self._writing() as session:
            for table, _ in self._columns:
                session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - our name
        self.revision = 0

    def flush(self) -> bool:
        """Does nothing: transactions are durable."""
        return True

    def wait_until_flushed(self) -> None:
        """Does nothing: transactions are durable."""

    def purge(self) -> None:
        """Delete tables and index state."""
        with self._transactions.write() as session:
            self._drop_tables(session)
            self._state.delete(session)

    def close(self) -> None:
        """Does nothing: the caller owns the database."""

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        if self._session is not None:
            yield self._session
        else:
            with self._transactions.write() as session:
                yield session

    def _create(self, outdated: bool) -> None:
        with self._transactions.write() as session:
            # Without the lock, two processes that start together would both create the tables.
            session.execute(text("SELECT pg_advisory_xact_lock(hashtext('sima index'))"))
            session.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
            if outdated:
                self._drop_tables(session)
            elif session.scalar(text("SELECT to_regclass(:name)"), {"name": self._table}):
                return
            session.execute(
                text(
                    f"CREATE TABLE {self._table} "
                    f"(id bigint PRIMARY KEY, embedding vector({self._dimension}) NOT NULL)"
                )
            )
            if self._dimension <= _MAX_INLINE:
                session.execute(
                    text(f"ALTER TABLE {self._table} ALTER COLUMN embedding SET STORAGE PLAIN")
                )
            session.execute(
                text(
                    f"CREATE TABLE {self._codes_table} "
                    f"(id bigint PRIMARY KEY, code bit({BITS}) NOT NULL)"
                )
            )

    @property
    def _columns(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Both tables, each with its column."""
        return (self._table, "embedding"), (self._codes_table, "code")

    def _drop_tables(self, session: Session) -> None:
        for table, _ in self._columns:
            session.execute(text(f"DROP TABLE IF EXISTS {table}"))

    def _by_codes(self, session: Session, probe: Vector, k: int) -> list[Neighbor]:
        limit = max(_LEAST_CANDIDATES, _CANDIDATES_PER_NEIGHBOR * k)
        candidates = f"""(
            SELECT {self._table}.id, embedding FROM (
                SELECT id FROM {self._codes_table}
                ORDER BY code <~> CAST(CAST(:code AS text) AS bit({BITS})) LIMIT {limit}
            ) AS near JOIN {self._table} ON {self._table}.id = near.id
        ) AS candidate"""  # noqa: S608 - our name
        bits = np.unpackbits(self._codes(probe[None])[0])
        return self._ranked(session, candidates, {"code": "".join(map(str, bits))}, probe, k)

    def _ranked(
        self, session: Session, source: str, parameters: dict[str, str], probe: Vector, k: int
    ) -> list[Neighbor]:
        query = f"""
            SELECT id, -(embedding <#> CAST(CAST(:probe AS text) AS vector)) AS similarity
            FROM {source} ORDER BY similarity DESC, id LIMIT :k"""  # noqa: S608 - our name
        literal = "[" + ",".join(f"{value:.9g}" for value in probe) + "]"
        found = session.execute(text(query), {"probe": literal, "k": k, **parameters})
        return [Neighbor(row.id, float(row.similarity)) for row in found]


def _copy(session: Session, ids: Ids, vectors: Matrix, codes: NDArray[np.uint8]) -> None:
    """Copy rows into the table `incoming` in PostgreSQL's binary COPY format (big endian)."""
    size, octets = vectors.shape[1], codes.shape[1]
    layout = [("fields", ">i2"), ("id_size", ">i4"), ("id", ">i8"), ("size", ">i4")]
    layout += [("dimension", ">i2"), ("unused", ">i2"), ("values", ">f4", (size,))]  # type: ignore[list-item]  # sub-array dtype
    layout += [("code_size", ">i4"), ("bits", ">i4"), ("code", "u1", (octets,))]  # type: ignore[list-item]  # sub-array dtype
    rows = np.zeros(len(ids), dtype=np.dtype(cast(Any, layout)))
    rows["fields"], rows["id_size"], rows["id"] = 3, 8, ids
    rows["size"], rows["dimension"], rows["values"] = 4 + 4 * size, size, vectors
    rows["code_size"], rows["bits"], rows["code"] = 4 + octets, 8 * octets, codes
    driver: Any = session.connection().connection.driver_connection  # psycopg's, for COPY
    with driver.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN (FORMAT BINARY)") as out:
        out.write(_COPY_HEADER)
        out.write(rows.tobytes())
        out.write(_COPY_TRAILER)
