"""pgvector in PostgreSQL: a table a collection, an HNSW graph once the table is large.

The graph holds half-precision vectors; its candidates are ranked anew by the exact ones (Malkov &
Yashunin 2016 for HNSW). Below `APPROXIMATE_FROM` rows, and where more is asked than the graph can
give, PostgreSQL compares every row.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.index.base import Transactions
from app.index.ledger import Ledger
from app.vectors import Ids, Matrix, Neighbor, Vector

_log = logging.getLogger(__name__)

APPROXIMATE_FROM = 20_000
"""Rows from which on there is a graph."""

_MOST_DIMENSIONS = 4_000  # of an indexed halfvec
_MOST_INLINE = 1_900  # dimensions that fit on a page; else a row's vector lies in another table
_LINKS, _EF_BUILD = 24, 128
_NODE_BYTES = 1_200  # of the graph, beside the vector, while it is built
_LEAST_MEMORY, _MOST_MEMORY = 64, 4_096  # megabytes for that; beyond it is built on disk, slowly
_EF_SEARCH, _LARGEST_EF = 400, 1_000  # pgvector's default of 40 misses most faces (ADR 10)
_CANDIDATES = 20  # times k, ranked by the exact vectors
_NO_ROOM = ("53100", "53200")  # SQLSTATEs; also of too little shared memory
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
        approximate_from: int = APPROXIMATE_FROM,
        least_memory: int = _LEAST_MEMORY,
    ) -> None:
        self._dimension, self._transactions, self._table = dimension, transactions, name
        self._approximate_from, self._least_memory = approximate_from, least_memory
        self._session: Session | None = None
        self._ledger = Ledger(transactions, name, key)
        self._create(fresh=not self._ledger.prepare())
        self.revision = self._ledger.revision()

    @contextmanager
    def applying(self) -> Iterator[None]:
        """One transaction around everything that is done meanwhile."""
        with self._ledger.hold() as held:
            self._session, self.revision = held.session, held.revision
            try:
                yield
                self._build_graph(held.session)
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
        last = {int(template_id): row for row, template_id in enumerate(ids)}
        fresh = np.array(list(last), dtype=np.int64)
        with self._writing() as session:
            session.execute(text("CREATE TEMP TABLE incoming (id bigint, embedding vector)"))
            _copy(session, fresh, vectors[list(last.values())])
            session.execute(
                text(
                    f"INSERT INTO {self._table} SELECT id, embedding FROM incoming "  # noqa: S608 - our name
                    "ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding"
                )
            )
            session.execute(text("DROP TABLE incoming"))

    def remove(self, ids: Ids) -> None:
        """Drop rows by id."""
        with self._writing() as session:
            query = f"DELETE FROM {self._table} WHERE id = ANY(:ids)"  # noqa: S608 - our name
            session.execute(text(query), {"ids": [int(i) for i in ids]})

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """The graph proposes, exact vectors decide; without one they are compared at once."""
        if k < 1:
            return [[] for _ in probes]
        candidates = max(_EF_SEARCH, _CANDIDATES * k)
        with self._transactions.read() as session:
            if not self._exists(session, self._graph):
                # Starting workers takes longer than they would save.
                session.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
            elif candidates <= _LARGEST_EF:
                session.execute(text(f"SET LOCAL hnsw.ef_search = {candidates}"))
                return [self._proposed(session, probe, k, candidates) for probe in probes]
            return [self._nearest(session, self._table, probe, k) for probe in probes]

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
            session.execute(text(f"DELETE FROM {self._table}"))  # noqa: S608 - our name
        self.revision = 0

    def flush(self) -> None:
        """Every transaction was durable already."""

    def drop(self) -> None:
        """Table and state."""
        with self._transactions.write() as session:
            session.execute(text(f"DROP TABLE IF EXISTS {self._table}"))
            self._ledger.drop(session)

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
                session.execute(text(f"DROP TABLE IF EXISTS {self._table}"))
            elif self._exists(session, self._table):
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

    @property
    def _graph(self) -> str:
        return f"{self._table}_graph"

    def _exists(self, session: Session, name: str) -> bool:
        return session.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None

    def _build_graph(self, session: Session) -> None:
        if self._dimension > _MOST_DIMENSIONS or self._exists(session, self._graph):
            return
        rows = session.scalar(text(f"SELECT count(*) FROM {self._table}")) or 0  # noqa: S608 - our name
        if rows < self._approximate_from:
            return
        needed = rows * (2 * self._dimension + _NODE_BYTES) // 1_000_000
        memory = max(self._least_memory, min(needed, _MOST_MEMORY))
        session.execute(text(f"SET LOCAL maintenance_work_mem = '{memory}MB'"))
        try:
            with session.begin_nested():
                self._create_graph(session)
        except OperationalError as error:
            # Workers share that memory, and containers have little that can be shared.
            if getattr(error.orig, "sqlstate", None) not in _NO_ROOM:
                raise
            _log.warning("the graph is built by one process: too little shared memory for more")
            session.execute(text("SET LOCAL max_parallel_maintenance_workers = 0"))
            self._create_graph(session)

    def _create_graph(self, session: Session) -> None:
        session.execute(
            text(
                f"CREATE INDEX {self._graph} ON {self._table} USING hnsw "
                f"((embedding::halfvec({self._dimension})) halfvec_ip_ops) "
                f"WITH (m = {_LINKS}, ef_construction = {_EF_BUILD})"
            )
        )

    def _proposed(self, session: Session, probe: Vector, k: int, candidates: int) -> list[Neighbor]:
        size = self._dimension
        among = f"""(
            SELECT id, embedding FROM {self._table}
            ORDER BY embedding::halfvec({size}) <#> CAST(CAST(:probe AS text) AS halfvec({size}))
            LIMIT {candidates}
        ) AS candidate"""  # noqa: S608 - our name
        return self._nearest(session, among, probe, k)

    def _nearest(self, session: Session, among: str, probe: Vector, k: int) -> list[Neighbor]:
        # By way of text: one parameter has one type, and a rounded probe would rank the rows.
        query = f"""
            SELECT id, -(embedding <#> CAST(CAST(:probe AS text) AS vector)) AS similarity
            FROM {among} ORDER BY similarity DESC, id LIMIT :k"""  # noqa: S608 - our name
        written = "[" + ",".join(f"{value:.9g}" for value in probe) + "]"
        found = session.execute(text(query), {"probe": written, "k": k})
        return [Neighbor(row.id, float(row.similarity)) for row in found]


def _copy(session: Session, ids: Ids, vectors: Matrix) -> None:
    """Rows into `incoming` by PostgreSQL's binary COPY, big endian, without a text in between."""
    size = vectors.shape[1]
    layout = [("fields", ">i2"), ("id_size", ">i4"), ("id", ">i8"), ("size", ">i4")]
    layout += [("dimension", ">i2"), ("unused", ">i2"), ("values", ">f4", (size,))]  # type: ignore[list-item]  # a sub-array has a shape
    rows = np.zeros(len(ids), dtype=np.dtype(cast(Any, layout)))
    rows["fields"], rows["id_size"], rows["id"] = 2, 8, ids
    rows["size"], rows["dimension"], rows["values"] = 4 + 4 * size, size, vectors
    driver: Any = session.connection().connection.driver_connection  # psycopg's, for its COPY
    with driver.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN (FORMAT BINARY)") as out:
        out.write(_COPY_HEADER)
        out.write(rows.tobytes())
        out.write(_COPY_TRAILER)
