"""Searches vectors in Milvus: one Milvus collection per Sima collection, behind an alias.

Milvus has no transactions. Rows are written by id, so applying a journal row twice changes
nothing; the shared index state stores the revision and lets one process apply the journal at a
time. A rebuild fills a second Milvus collection and then moves the alias to it. Rows are compared
exhaustively (`FLAT`): Milvus searches recent rows of any other index type by interim clusters,
which miss people (ADR 13).
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import numpy as np
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from app.errors import NotReady
from app.index.base import Transactions
from app.index.shared.state import SharedIndexState
from app.logs import get_logger
from app.vectors import Ids, Matrix, Neighbor

_log = get_logger(__name__)

_BATCH_BYTES = 4_000_000  # of vectors per message; servers refuse messages of some dozen megabytes
_MAX_NEIGHBORS = 16_384  # Milvus's limit
_PAGE = 10_000  # ids per message
_LAYOUT = "2"  # of the Milvus collection; another layout is rebuilt from the journal
# Seconds after a change until "Bounded" searches return it; Milvus's default staleness is 5 s.
_SETTLED = 15.0


class MilvusIndex:
    """An index in a Milvus server, or in Milvus Lite (`embedded`)."""

    shared = True

    def __init__(
        self,
        dimension: int,
        client: MilvusClient,
        transactions: Transactions,
        name: str,
        key: str,
        embedded: bool = False,
    ) -> None:
        self._dimension, self._client, self._alias = dimension, client, name
        self._state = SharedIndexState(transactions, name, f"{key} {_LAYOUT}")
        self._embedded = embedded
        self._draft: str | None = None  # the Milvus collection that a rebuild fills
        self._applied = monotonic()
        outdated = not self._state.create()
        with _translated(), self._state.lock() as locked:  # one process creates the collection
            if outdated or self._published() is None:
                self._publish(self._create())
                locked.revision = 0
            self.revision = locked.revision

    @contextmanager
    def applying(self) -> Iterator[None]:
        """Holds the lock of the index state. After an error the journal rows are applied again."""
        with _translated(), self._state.lock() as locked:
            self.revision = locked.revision
            try:
                yield
                if self._draft is not None:
                    self._publish(self._draft)
                locked.revision = self.revision
                self._applied = monotonic()
            except BaseException:
                self.revision = 0  # unknown; the next `applying` reads it
                if self._draft is not None:
                    self._client.drop_collection(self._draft)
                raise
            finally:
                self._draft = None

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; the last row wins where an id is repeated."""
        last = {int(row_id): row for row, row_id in enumerate(ids)}
        rows = [{"id": one, "vector": vectors[row].tolist()} for one, row in last.items()]
        size = max(1, _BATCH_BYTES // (4 * self._dimension))
        for start in range(0, len(rows), size):
            self._client.upsert(self._target, rows[start : start + size])

    def delete(self, ids: Ids) -> None:
        """Delete rows by id; unknown ids are ignored."""
        for start in range(0, len(ids), _MAX_NEIGHBORS):
            batch = [int(one) for one in ids[start : start + _MAX_NEIGHBORS]]
            self._client.delete(self._target, ids=batch)

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """Exact search that sees every change applied before.

        "Strong" consistency waits for Milvus's next time tick, up to 0.2 s. Every change that this
        process knows of was written before it last held the lock of the index state, so "Bounded"
        consistency is sufficient some seconds after that.
        """
        wanted = min(k, _MAX_NEIGHBORS)
        if wanted < 1 or not len(probes):
            return [[] for _ in probes]
        settled = monotonic() - self._applied > _SETTLED
        with _translated():
            found = self._client.search(
                self._alias,
                data=[probe.tolist() for probe in probes],
                limit=wanted,
                search_params={"metric_type": "IP"},
                output_fields=["id"],
                consistency_level="Bounded" if settled else "Strong",
            )
        return [
            sorted(
                (Neighbor(int(hit["id"]), float(hit["distance"])) for hit in row),
                key=lambda neighbor: (-neighbor.similarity, neighbor.row_id),
            )
            for row in found
        ]

    def size(self) -> int:
        """Number of rows."""
        with _translated():
            [row] = self._client.query(
                self._target, filter="", output_fields=["count(*)"], consistency_level="Strong"
            )
        return int(row["count(*)"])

    def ids(self) -> Ids:
        """All ids, in no particular order, read page by page."""
        found: list[int] = []
        with _translated():
            pages = self._client.query_iterator(
                self._target, batch_size=_PAGE, filter="", output_fields=["id"]
            )
            while page := pages.next():
                found += [int(row["id"]) for row in page]
            pages.close()
        return np.array(found, dtype=np.int64)

    def clear(self) -> None:
        """Start an empty collection, which is searched when `applying` ends; revision 0."""
        if self._draft is None:
            self._draft = self._create()
        self.revision = 0

    def flush(self) -> bool:
        """Write segments to disk in Milvus Lite, which searches them faster than recent rows.

        A server has a write-ahead log and needs no flush.
        """
        if self._embedded:
            with _translated():
                self._client.flush(self._target)
        return True

    def wait_until_flushed(self) -> None:
        """Does nothing: `flush` waits."""

    def purge(self) -> None:
        """Delete collection, alias and index state."""
        with self._state.lock() as locked:
            published = self._published()
            if published is not None:
                self._client.drop_alias(self._alias)
                self._client.drop_collection(published)
            self._state.delete(locked.session)

    def close(self) -> None:
        """Does nothing: the caller owns the client."""

    @property
    def _target(self) -> str:
        return self._draft or self._alias

    def _published(self) -> str | None:
        """The Milvus collection that the alias points to."""
        prefix = f"{self._alias}_"
        for name in self._client.list_collections():
            if name.startswith(prefix) and self._alias in self._aliases(name):
                return str(name)
        return None

    def _aliases(self, collection: str) -> list[str]:
        return list(self._client.list_aliases(collection).get("aliases", []))

    def _create(self) -> str:
        name = f"{self._alias}_{secrets.token_hex(4)}"
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dimension)
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="IP")
        self._client.create_collection(
            name, schema=schema, index_params=index, consistency_level="Strong"
        )
        return name

    def _publish(self, name: str) -> None:
        """Point the alias to `name` and delete the previous collection."""
        previous = self._published()
        if previous is None:
            self._client.create_alias(name, self._alias)
            return
        self._client.alter_alias(name, self._alias)
        self._client.drop_collection(previous)


@contextmanager
def _translated() -> Iterator[None]:
    """Raises NotReady in place of Milvus's errors."""
    try:
        yield
    except MilvusException as error:
        _log.error("milvus_failed", error=error.message)
        raise NotReady("the vector index is not available; check that Milvus is running") from error
