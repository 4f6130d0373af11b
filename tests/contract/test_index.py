"""The contract of VectorIndex for every engine; exact search in NumPy is the oracle.

SIMA_TEST_MILVUS_URL=http://… uses a Milvus server instead of Milvus Lite.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymilvus import MilvusClient

from app.index.base import VectorIndex
from app.index.exact import ExactIndex
from app.index.faiss.index import FaissIndex
from app.index.shared.milvus import MilvusIndex
from app.index.shared.pgvector import PgVectorIndex
from app.store.db.database import Database
from app.vectors import Ids, Matrix, l2_normalize

DIMENSION = 8
ENGINES = (
    "exact",
    "faiss",
    "faiss, quantized",
    "pgvector",
    "pgvector, sign codes",
    "milvus",
)
Open = Callable[[str], VectorIndex]


MILVUS_URL = os.environ.get("SIMA_TEST_MILVUS_URL")


def milvus_url(folder: Path) -> str:
    """The server of SIMA_TEST_MILVUS_URL, else a Milvus Lite file in the folder."""
    return MILVUS_URL or str(folder / "milvus.db")


@pytest.fixture(scope="session", name="milvus_client")
def _milvus_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusClient]:
    client = MilvusClient(milvus_url(tmp_path_factory.mktemp("milvus")))
    yield client
    client.close()


@pytest.fixture(name="open_index")
def _open_index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens an empty index of any engine, under a new name."""
    opened: list[Database] = []

    def transactions(url: str) -> Database:
        opened.append(Database(url))
        return opened[-1]

    def make(engine: str) -> VectorIndex:
        name = f"rows_{secrets.token_hex(6)}"
        if engine == "exact":
            return ExactIndex(DIMENSION)
        if engine.startswith("faiss"):
            return FaissIndex(DIMENSION, quantize_from=1 if "quantized" in engine else 1_000_000)
        if engine.startswith("pgvector"):
            database = transactions(request.getfixturevalue("postgres_indexes"))
            quantize_from = 0 if "sign codes" in engine else 1_000_000
            return PgVectorIndex(DIMENSION, database, name, "key", quantize_from)
        states = transactions(f"sqlite:///{tmp_path / 'states.db'}")
        client = request.getfixturevalue("milvus_client")
        return MilvusIndex(DIMENSION, client, states, name, "key", embedded=not MILVUS_URL)

    yield make
    for database in opened:
        database.close()


@pytest.fixture(params=ENGINES, name="index")
def _index(request: pytest.FixtureRequest, open_index: Open) -> VectorIndex:
    return open_index(request.param)


def rows(count: int, seed: int = 0) -> Matrix:
    """Random unit vectors."""
    return l2_normalize(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


def numbered(count: int, first: int = 1) -> Ids:
    """Consecutive ids."""
    return np.arange(first, first + count, dtype=np.int64)


def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    assert index.search(rows(2), 3) == [[], []]
    assert index.size() == 0
    assert index.revision == 0


def test_a_vector_finds_itself_first(index: VectorIndex) -> None:
    vectors = rows(100)
    index.upsert(numbered(100), vectors)
    for found, own in zip(index.search(vectors, 3), numbered(100), strict=True):
        assert found[0].row_id == own
        assert found[0].similarity == pytest.approx(1.0, abs=1e-5)
        assert len(found) == 3


def test_an_upsert_replaces(index: VectorIndex) -> None:
    vectors = rows(3)
    index.upsert(numbered(2), vectors[:2])
    index.upsert(numbered(1), vectors[2:])
    assert index.size() == 2
    assert index.search(vectors[2:], 1)[0][0].row_id == 1
    assert index.search(vectors[:1], 1)[0][0].similarity < 0.999


def test_the_last_row_of_an_id_wins_within_one_upsert(index: VectorIndex) -> None:
    vectors = rows(2)
    index.upsert(np.array([7, 7], dtype=np.int64), vectors)
    assert index.size() == 1
    assert index.search(vectors[1:], 1)[0][0].similarity == pytest.approx(1.0, abs=1e-5)


def test_a_deleted_vector_is_not_found(index: VectorIndex) -> None:
    vectors = rows(50)
    index.upsert(numbered(50), vectors)
    index.delete(np.array([7, 9, 10_000], dtype=np.int64))
    assert index.size() == 48
    found = {n.row_id for row in index.search(vectors, 48) for n in row}
    assert found == set(range(1, 51)) - {7, 9}


def test_a_flushed_index_can_be_changed(index: VectorIndex) -> None:
    vectors = rows(30)
    index.upsert(numbered(20), vectors[:20])
    index.flush()
    index.upsert(numbered(1, first=3), vectors[25:26])
    index.upsert(numbered(1, first=21), vectors[20:21])
    index.delete(numbered(2))
    assert index.size() == 19
    found = index.search(vectors[[25, 20, 4]], 1)
    assert [row[0].row_id for row in found] == [3, 21, 5]
    index.flush()
    assert {n.row_id for n in index.search(vectors[:1], 30)[0]} == set(range(3, 22))


def test_ids_returns_all_ids(index: VectorIndex) -> None:
    with index.applying():
        index.upsert(numbered(30), rows(30))
        index.delete(numbered(10, first=5))
        assert sorted(index.ids().tolist()) == [1, 2, 3, 4, *range(15, 31)]


def test_k_beyond_the_size_returns_all_rows(index: VectorIndex) -> None:
    index.upsert(numbered(3), rows(3))
    assert [len(row) for row in index.search(rows(2), 10)] == [3, 3]


def test_equal_similarities_are_sorted_by_id(index: VectorIndex) -> None:
    vector = rows(1)
    index.upsert(np.array([5, 3, 9], dtype=np.int64), np.repeat(vector, 3, axis=0))
    assert [n.row_id for n in index.search(vector, 3)[0]] == [3, 5, 9]


def test_clear_deletes_all_rows(index: VectorIndex) -> None:
    with index.applying():
        index.upsert(numbered(3), rows(3))
        index.revision = 3
    with index.applying():
        index.clear()
    assert (index.size(), index.revision) == (0, 0)
    index.upsert(numbered(1), rows(1))
    assert index.size() == 1


Step = tuple[bool, list[int]]  # whether it is an upsert, and its ids


def check_history(index: VectorIndex, steps: list[Step], seed: int, k: int) -> None:
    """Apply the same steps to the index and to the oracle, and compare their answers."""
    oracle = ExactIndex(DIMENSION)
    for number, (is_upsert, ids) in enumerate(steps):
        numbers = np.array(ids, dtype=np.int64)
        for one in (index, oracle):
            with one.applying():
                if is_upsert:
                    one.upsert(numbers, rows(len(ids), seed + number))
                else:
                    one.delete(numbers)
    probes = rows(3, seed + 999)
    assert index.size() == oracle.size()
    for found, expected in zip(index.search(probes, k), oracle.search(probes, k), strict=True):
        assert [n.row_id for n in found] == [n.row_id for n in expected]
        assert [n.similarity for n in found] == pytest.approx(
            [n.similarity for n in expected], abs=1e-5
        )


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(1, 12), min_size=1, max_size=6)),
        max_size=12,
    ),
    seed=st.integers(0, 1000),
    k=st.integers(1, 15),
)
@pytest.mark.parametrize("quantize_from", [1, 1_000])
def test_any_history_of_faiss_equals_the_oracle(
    quantize_from: int, steps: list[Step], seed: int, k: int
) -> None:
    check_history(FaissIndex(DIMENSION, quantize_from=quantize_from), steps, seed, k)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_history_equals_the_oracle(index: VectorIndex, seed: int) -> None:
    """A few histories only: the engines outside the process are slow."""
    rng = np.random.default_rng(seed)
    steps = [
        (bool(rng.random() < 0.6), rng.integers(1, 12, rng.integers(1, 6)).tolist())
        for _ in range(12)
    ]
    check_history(index, steps, seed, 4 + 4 * seed)


def test_milvus_searches_with_strong_consistency_only_after_a_change(
    open_index: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strongly consistent search takes a server up to 0.2 s; older changes are visible anyway."""
    index, asked = open_index("milvus"), []
    with index.applying():
        index.upsert(numbered(3), rows(3))
    search = MilvusClient.search

    def watched(client: MilvusClient, *given: object, **named: object) -> object:
        asked.append(named["consistency_level"])
        return search(client, *given, **named)

    monkeypatch.setattr(MilvusClient, "search", watched)
    found = [index.search(rows(3), 1)]
    later = monotonic() + 60
    monkeypatch.setattr("app.index.shared.milvus.monotonic", lambda: later)
    found.append(index.search(rows(3), 1))
    with index.applying():
        index.delete(numbered(1))
    found.append(index.search(rows(3), 1))
    assert asked == ["Strong", "Bounded", "Strong"]
    assert [[row[0].row_id for row in one] for one in found[:2]] == [[1, 2, 3]] * 2
    assert found[2][0][0].row_id != 1
