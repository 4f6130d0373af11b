"""Searches vectors in Milvus: one Milvus collection per Sima collection, behind an alias.

Milvus has no transactions. Rows are written by id, so applying a journal row twice changes
nothing; the shared index state stores the revision and lets one process apply the journal at a
time. A rebuild fills a second Milvus collection and then moves the alias to it. Milvus compares
every row (`FLAT`): it searches recently written rows of any other index type by cells of its
own, which miss people (ADR 13).
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

_BATCH_BYTES = 4_000_000  # of vectors a message; the servers refuse some dozen megabytes
_MOST = 16_384  # answers a search may have in Milvus
_PAGE = 10_000  # ids a message
_LAYOUT = "2"  # of the collections; those of another layout are made anew from the journal
_SETTLED = 15.0  # seconds; Milvus's "Bounded" answers from what was there five seconds ago


class MilvusIndex:
    """On a server, or `embedded` in Lite, whatever the client is connected to."""

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
        self._draft: str | None = None
        self._applied = monotonic()
        fresh = not self._state.prepare()
        with _translated(), self._state.hold() as held:  # one process creates
            if fresh or self._standing() is None:
                self._publish(self._create())
                held.revision = 0
            self.revision = held.revision

    @contextmanager
    def applying(self) -> Iterator[None]:
        """The state_database's lock. After an error the same journal rows are applied once more."""
        with _translated(), self._state.hold() as held:
            self.revision = held.revision
            try:
                yield
                if self._draft is not None:
                    self._publish(self._draft)
                held.revision = self.revision
                self._applied = monotonic()
            except BaseException:
                self.revision = 0  # unknown; the next one to apply reads it again
                if self._draft is not None:
                    self._client.drop_collection(self._draft)
                raise
            finally:
                self._draft = None

    def upsert(self, ids: Ids, vectors: Matrix) -> None:
        """Add or replace rows; within one call the last of an id's rows wins."""
        last = {int(row_id): row for row, row_id in enumerate(ids)}
        rows = [{"id": one, "vector": vectors[row].tolist()} for one, row in last.items()]
        size = max(1, _BATCH_BYTES // (4 * self._dimension))
        for start in range(0, len(rows), size):
            self._client.upsert(self._target, rows[start : start + size])

    def delete(self, ids: Ids) -> None:
        """Drop rows by id."""
        for start in range(0, len(ids), _MOST):
            some = [int(one) for one in ids[start : start + _MOST]]
            self._client.delete(self._target, ids=some)

    def search(self, probes: Matrix, k: int) -> list[list[Neighbor]]:
        """What Milvus finds after everything that was written before; similarities are exact.

        "Strong" waits for its next time tick, up to a fifth of a second. What this process knows of
        was written before it last held the state_database's lock: soon after, "Bounded" has it all.
        """
        wanted = min(k, _MOST)
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
        """Rows held."""
        with _translated():
            [row] = self._client.query(
                self._target, filter="", output_fields=["count(*)"], consistency_level="Strong"
            )
        return int(row["count(*)"])

    def ids(self) -> Ids:
        """Every id it holds, page by page."""
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
        """From now on rows go into an empty collection; it answers when `applying` ends."""
        if self._draft is None:
            self._draft = self._create()
        self.revision = 0

    def flush(self) -> None:
        """A server keeps a log of its own; Lite searches what it has written down much faster."""
        if self._embedded:
            with _translated():
                self._client.flush(self._target)

    def purge(self) -> None:
        """Collection, alias and state."""
        with self._state.hold() as held:
            standing = self._standing()
            if standing is not None:
                self._client.drop_alias(self._alias)
                self._client.drop_collection(standing)
            self._state.delete(held.session)

    def close(self) -> None:
        """The client belongs to the one who opened it."""

    @property
    def _target(self) -> str:
        return self._draft or self._alias

    def _standing(self) -> str | None:
        """The collection that answers."""
        named = f"{self._alias}_"
        for name in self._client.list_collections():
            if name.startswith(named) and self._alias in self._aliases(name):
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
        """Let `name` answer from now on; what answered before is dropped."""
        before = self._standing()
        if before is None:
            self._client.create_alias(name, self._alias)
            return
        self._client.alter_alias(name, self._alias)
        self._client.drop_collection(before)


@contextmanager
def _translated() -> Iterator[None]:
    """Milvus out of reach is a service that is not ready."""
    try:
        yield
    except MilvusException as error:
        _log.error("milvus_failed", error=error.message)
        raise NotReady("the vector index cannot be used at the moment") from error
