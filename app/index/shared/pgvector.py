"""pgvector in PostgreSQL: a table a collection, and a narrow one with a code for every row.

In a small table PostgreSQL compares every row. In a large one the codes choose candidates, which
are ranked by the exact vectors (ADR 13 says why there is no graph).
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
"""Rows, about, from which on the codes choose."""

_LAYOUT = "2"  # of the tables; those of another layout are made anew from the journal
_MOST_INLINE = 1_900  # dimensions that fit on a page; else a row's vector lies in another table
_LEAST_CANDIDATES, _CANDIDATES = 1_000, 20  # the latter times k
_PAGE, _CODES_A_PAGE = 8_192, 75  # bytes of PostgreSQL's pages, rows of codes on one
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"


class PgVectorIndex:
    """Rows and revision change in one transaction, whatever process changes them."""

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
        self._create(fresh=not self._state.prepare())
        self.revision = self._state.revision()

    @contextmanager
    def applying(self) -> Iterator[None]:
        """One transaction around everything that is done meanwhile."""
        with self._state.hold() as held:
            self._session, self.revision = held.session, held.revision
            try:
                yield
                held.revision = self.revision
            except BaseException:
                self.revision = 0  # unknown; the next one to apply reads it again
                raise
            finally:
                self._session = None

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; within one call the last of an id's rows wins."""
        if not len(ids):
            return
        last = {int(row_id): row for row, row_id in enumerate(ids)}
        fresh = np.array(list(last), dtype=np.int64)
        with self._writing() as session:
            session.execute(
                text(f"CREATE TEMP TABLE incoming (id bigint, embedding vector, code bit({BITS}))")
            )
            chosen = vectors[list(last.values())]
            _copy(session, fresh, chosen, self._codes(chosen))
            for table, column in self._columns:
                session.execute(
                    text(
                        f"INSERT INTO {table} SELECT id, {column} FROM incoming "  # noqa: S608 - our name
                        f"ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}"
                    )
                )
            session.execute(text("DROP TABLE incoming"))

    def delete(self, ids: Ids) -> None:
        """Drop rows by id."""
        with self._writing() as session:
            for table, _ in self._columns:
                query = f"DELETE FROM {table} WHERE id = ANY(:ids)"  # noqa: S608 - our name
                session.execute(text(query), {"ids": [int(i) for i in ids]})

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Codes choose, exact vectors decide; in a small table these are compared at once."""
        if k < 1:
            return [[] for _ in probes]
        with self._transactions.read() as session:
            # Compiling the plan takes longer than it would save.
            prepare = "SELECT set_config('jit', 'off', true), pg_relation_size(:codes)"
            _, taken = session.execute(text(prepare), {"codes": self._codes_table}).one()
            if taken // _PAGE * _CODES_A_PAGE < self._sign_codes_from:
                # So does starting workers, as long as the table is small.
                session.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
                return [self._ranked(session, self._table, {}, probe, k) for probe in probes]
            return [self._chosen(session, probe, k) for probe in probes]

    def size(self) -> int:
        """Rows held."""
        with self._transactions.read() as session:
            return session.scalar(text(f"SELECT count(*) FROM {self._table}")) or 0  # noqa: S608 - our name

    def ids(self) -> Ids:
        """Every id it holds, also of a transaction that is under way."""
        with self._writing() as session:
            rows = session.scalars(text(f"SELECT id FROM {self._table}"))  # noqa: S608 - our name
            return np.array(rows.all(), dtype=np.int64)

    def clear(self) -> None:
        """Empty table, revision 0; the others see it when the transaction ends."""
        with self._writing() as session:
            for table, _ in self._columns:
                session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - our name
        self.revision = 0

    def flush(self) -> None:
        """Every transaction was durable already."""

    def purge(self) -> None:
        """Tables and state."""
        with self._transactions.write() as session:
            self._drop_tables(session)
            self._state.delete(session)

    def close(self) -> None:
        """The connections belong to the one who opened them."""

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        if self._session is not None:
            yield self._session
        else:
            with self._transactions.write() as session:
                yield session

    def _create(self, fresh: bool) -> None:
        with self._transactions.write() as session:
            # Two processes that start at once would both create; the lock lets one do it.
            session.execute(text("SELECT pg_advisory_xact_lock(hashtext('sima index'))"))
            session.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
            if fresh:
                self._drop_tables(session)
            elif session.scalar(text("SELECT to_regclass(:name)"), {"name": self._table}):
                return
            session.execute(
                text(
                    f"CREATE TABLE {self._table} "
                    f"(id bigint PRIMARY KEY, embedding vector({self._dimension}) NOT NULL)"
                )
            )
            if self._dimension <= _MOST_INLINE:
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
        """Both tables, and what each keeps of a row."""
        return (self._table, "embedding"), (self._codes_table, "code")

    def _drop_tables(self, session: Session) -> None:
        for table, _ in self._columns:
            session.execute(text(f"DROP TABLE IF EXISTS {table}"))

    def _chosen(self, session: Session, probe: Vector, k: int) -> list[Neighbor]:
        candidates = max(_LEAST_CANDIDATES, _CANDIDATES * k)
        among = f"""(
            SELECT {self._table}.id, embedding FROM (
                SELECT id FROM {self._codes_table}
                ORDER BY code <~> CAST(CAST(:code AS text) AS bit({BITS})) LIMIT {candidates}
            ) AS near JOIN {self._table} ON {self._table}.id = near.id
        ) AS candidate"""  # noqa: S608 - our name
        bits = np.unpackbits(self._codes(probe[None])[0])
        return self._ranked(session, among, {"code": "".join(map(str, bits))}, probe, k)

    def _ranked(
        self, session: Session, among: str, given: dict[str, str], probe: Vector, k: int
    ) -> list[Neighbor]:
        query = f"""
            SELECT id, -(embedding <#> CAST(CAST(:probe AS text) AS vector)) AS similarity
            FROM {among} ORDER BY similarity DESC, id LIMIT :k"""  # noqa: S608 - our name
        written = "[" + ",".join(f"{value:.9g}" for value in probe) + "]"
        found = session.execute(text(query), {"probe": written, "k": k, **given})
        return [Neighbor(row.id, float(row.similarity)) for row in found]


def _copy(session: Session, ids: Ids, vectors: Matrix, codes: NDArray[np.uint8]) -> None:
    """Rows into `incoming` by PostgreSQL's binary COPY, big endian, without a text in between."""
    size, octets = vectors.shape[1], codes.shape[1]
    layout = [("fields", ">i2"), ("id_size", ">i4"), ("id", ">i8"), ("size", ">i4")]
    layout += [("dimension", ">i2"), ("unused", ">i2"), ("values", ">f4", (size,))]  # type: ignore[list-item]  # a sub-array has a shape
    layout += [("code_size", ">i4"), ("bits", ">i4"), ("code", "u1", (octets,))]  # type: ignore[list-item]  # a sub-array has a shape
    rows = np.zeros(len(ids), dtype=np.dtype(cast(Any, layout)))
    rows["fields"], rows["id_size"], rows["id"] = 3, 8, ids
    rows["size"], rows["dimension"], rows["values"] = 4 + 4 * size, size, vectors
    rows["code_size"], rows["bits"], rows["code"] = 4 + octets, 8 * octets, codes
    driver: Any = session.connection().connection.driver_connection  # psycopg's, for its COPY
    with driver.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN (FORMAT BINARY)") as out:
        out.write(_COPY_HEADER)
        out.write(rows.tobytes())
        out.write(_COPY_TRAILER)
