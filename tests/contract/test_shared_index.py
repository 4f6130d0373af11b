"""Shared engines: several workers update one index without losing each other's changes."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pymilvus import MilvusClient

from app.index.base import VectorIndex
from app.index.shared.milvus import MilvusIndex
from app.index.shared.pgvector import PgVectorIndex
from app.store.db.database import Database
from tests.contract.test_index import DIMENSION, MILVUS_URL, milvus_url, numbered, rows

Worker = Callable[..., VectorIndex]


@pytest.fixture(params=["pgvector", "milvus"], name="worker")
def _worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Worker]:
    """Each call opens the same index as another worker."""
    name = f"rows_{secrets.token_hex(6)}"
    closing: list[Callable[[], None]] = []
    if request.param == "milvus":
        client = MilvusClient(milvus_url(tmp_path))
        closing.append(client.close)

    def make(key: str = "key") -> VectorIndex:
        if request.param == "pgvector":
            database = Database(request.getfixturevalue("postgres_indexes"))
            closing.append(database.close)
            return PgVectorIndex(DIMENSION, database, name, key)
        states = Database(f"sqlite:///{tmp_path / 'states.db'}")
        closing.append(states.close)
        return MilvusIndex(DIMENSION, client, states, name, key, embedded=not MILVUS_URL)

    yield make
    for close in closing:
        close()


def fill(index: VectorIndex, count: int, revision: int) -> None:
    """Insert rows 1 to `count` and set the revision."""
    with index.applying():
        index.upsert(numbered(count), rows(count))
        index.revision = revision


def test_all_workers_find_what_one_applied(worker: Worker) -> None:
    first, second = worker(), worker()
    fill(first, 5, 5)
    assert second.search(rows(5), 1)[4][0].row_id == 5
    with second.applying():
        assert second.revision == 5, "there is nothing left to apply"


def test_an_error_leaves_the_revision(worker: Worker) -> None:
    first, second = worker(), worker()
    fill(first, 5, 5)
    with pytest.raises(OSError, match="gone"), first.applying():
        first.delete(numbered(5))
        first.revision = 10
        raise OSError("gone")
    with second.applying():
        assert second.revision == 5
        second.delete(numbered(5))  # the same journal rows again
        second.revision = 10
    assert (first.size(), second.size()) == (0, 0)


def test_workers_apply_one_at_a_time(worker: Worker) -> None:
    """Forty steps by four workers: each sees the changes of all before it."""
    workers = [worker() for _ in range(4)]
    seen: list[int] = []

    def step(number: int) -> None:
        index = workers[number % 4]
        with index.applying():
            seen.append(index.revision)
            index.upsert(numbered(1, first=number + 1), rows(1, seed=number))
            index.revision += 1

    def steps(of: int) -> None:
        for number in range(of, 40, 4):
            step(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(steps, range(4)))
    assert seen == list(range(40))
    assert workers[0].size() == 40


def test_a_rebuild_answers_from_the_old_rows_until_it_is_done(worker: Worker) -> None:
    first, second = worker(), worker()
    fill(first, 5, 5)
    with first.applying():
        first.clear()
        first.upsert(numbered(1, first=9), rows(1))
        assert second.search(rows(1), 9)[0][0].row_id == 1
        first.revision = 6
    assert [n.row_id for n in second.search(rows(1), 9)[0]] == [9]


def test_a_failed_rebuild_changes_nothing(worker: Worker) -> None:
    first = worker()
    fill(first, 5, 5)
    with pytest.raises(OSError, match="gone"), first.applying():
        first.clear()
        raise OSError("gone")
    assert first.size() == 5


def test_another_collection_of_the_same_name_starts_empty(worker: Worker) -> None:
    fill(worker(), 5, 5)
    other = worker("another key")
    assert (other.revision, other.size()) == (0, 0)
    assert other.search(rows(1), 3) == [[]]


def test_a_reopened_index_has_its_rows_and_revision(worker: Worker) -> None:
    fill(worker(), 5, 7)
    again = worker()
    assert (again.revision, again.size()) == (7, 5)


def test_purge_deletes_rows_and_state(worker: Worker) -> None:
    first = worker()
    fill(first, 5, 5)
    first.purge()
    again = worker()
    assert (again.revision, again.size()) == (0, 0)


def test_many_rows_in_one_upsert(worker: Worker) -> None:
    """More rows than in one message to the engine; ids beyond 32 bits."""
    index = worker()
    ids = np.arange(3_000, dtype=np.int64) + 2**40
    with index.applying():
        index.upsert(ids, rows(3_000))
        index.revision = 1
    assert index.size() == 3_000
    assert index.search(rows(3_000)[7:8], 1)[0][0].row_id == 2**40 + 7
