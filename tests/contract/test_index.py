"""Every index engine keeps the same promises; NumPy's exact search is the oracle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.index.base import VectorIndex
from app.index.exact import ExactIndex
from app.index.faiss import FaissIndex
from app.vectors import Ids, Matrix, l2_normalize

DIMENSION = 8
Open = Callable[[], VectorIndex]
ENGINES: dict[str, Open] = {
    "exact": lambda: ExactIndex(DIMENSION),
    "faiss": lambda: FaissIndex(DIMENSION),
    "faiss, coded": lambda: FaissIndex(DIMENSION, coded_from=1),
}


@pytest.fixture(params=ENGINES, name="index")
def _index(request: pytest.FixtureRequest) -> VectorIndex:
    return ENGINES[request.param]()


def rows(count: int, seed: int = 0) -> Matrix:
    """Random unit vectors."""
    return l2_normalize(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


def numbered(count: int, first: int = 1) -> Ids:
    """Ids in a row."""
    return np.arange(first, first + count, dtype=np.int64)


def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    assert index.search(rows(2), 3) == [[], []]
    assert index.size() == 0
    assert index.revision == 0


def test_a_vector_finds_itself_first(index: VectorIndex) -> None:
    vectors = rows(100)
    index.upsert(numbered(100), vectors)
    for found, own in zip(index.search(vectors, 3), numbered(100), strict=True):
        assert found[0].template_id == own
        assert found[0].similarity == pytest.approx(1.0, abs=1e-5)
        assert len(found) == 3


def test_an_upsert_replaces(index: VectorIndex) -> None:
    vectors = rows(3)
    index.upsert(numbered(2), vectors[:2])
    index.upsert(numbered(1), vectors[2:])
    assert index.size() == 2
    assert index.search(vectors[2:], 1)[0][0].template_id == 1
    assert index.search(vectors[:1], 1)[0][0].similarity < 0.999


def test_the_last_row_of_an_id_wins_within_one_upsert(index: VectorIndex) -> None:
    vectors = rows(2)
    index.upsert(np.array([7, 7], dtype=np.int64), vectors)
    assert index.size() == 1
    assert index.search(vectors[1:], 1)[0][0].similarity == pytest.approx(1.0, abs=1e-5)


def test_a_removed_vector_is_found_by_nobody(index: VectorIndex) -> None:
    vectors = rows(50)
    index.upsert(numbered(50), vectors)
    index.remove(np.array([7, 9, 10_000], dtype=np.int64))
    assert index.size() == 48
    found = {n.template_id for row in index.search(vectors, 48) for n in row}
    assert found == set(range(1, 51)) - {7, 9}


def test_more_than_there_is_gives_all_there_is(index: VectorIndex) -> None:
    index.upsert(numbered(3), rows(3))
    assert [len(row) for row in index.search(rows(2), 10)] == [3, 3]


def test_equal_similarities_come_by_rising_id(index: VectorIndex) -> None:
    vector = rows(1)
    index.upsert(np.array([5, 3, 9], dtype=np.int64), np.repeat(vector, 3, axis=0))
    assert [n.template_id for n in index.search(vector, 3)[0]] == [3, 5, 9]


def test_clear_forgets_everything(index: VectorIndex) -> None:
    index.upsert(numbered(3), rows(3))
    index.revision = 3
    index.clear()
    assert (index.size(), index.revision) == (0, 0)
    index.upsert(numbered(1), rows(1))
    assert index.size() == 1


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(1, 12), min_size=1, max_size=6)),
        max_size=12,
    ),
    seed=st.integers(0, 1000),
    k=st.integers(1, 15),
)
@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "exact"])
def test_any_history_ends_like_the_oracle(
    engine: str, steps: list[tuple[bool, list[int]]], seed: int, k: int
) -> None:
    index, oracle = ENGINES[engine](), ENGINES["exact"]()
    for number, (is_upsert, ids) in enumerate(steps):
        numbers = np.array(ids, dtype=np.int64)
        for one in (index, oracle):
            if is_upsert:
                one.upsert(numbers, rows(len(ids), seed + number))
            else:
                one.remove(numbers)
    probes = rows(3, seed + 999)
    for found, expected in zip(index.search(probes, k), oracle.search(probes, k), strict=True):
        assert [n.template_id for n in found] == [n.template_id for n in expected]
        assert [n.similarity for n in found] == pytest.approx(
            [n.similarity for n in expected], abs=1e-5
        )


def clustered(count: int, dimension: int) -> Matrix:
    """Unit vectors in groups, as people's photos and words are."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(count // 20, dimension))
    noise = rng.normal(size=(count, dimension))
    return l2_normalize(centres[rng.integers(0, len(centres), count)] + 0.5 * noise)


def test_codes_and_re_ranking_find_what_exact_search_finds() -> None:
    """Among so many that the codes are used, before and after a third was removed."""
    vectors = clustered(30_000, 32)
    index, oracle = FaissIndex(32, coded_from=1_000), ExactIndex(32)
    for one in (index, oracle):
        one.upsert(numbered(30_000), vectors)
    gone = numbered(10_000, first=5_001)
    for _ in range(2):
        hits = 0
        for probe in vectors[::300]:
            found, expected = index.search(probe[None], 5)[0], oracle.search(probe[None], 5)[0]
            hits += len({n.template_id for n in found} & {n.template_id for n in expected})
            assert found[0].similarity == pytest.approx(expected[0].similarity, abs=1e-5)
        assert hits >= 0.99 * 500
        for one in (index, oracle):
            one.remove(gone)
        assert index.size() == oracle.size() == 20_000


def test_tombstones_do_not_crowd_out_the_living() -> None:
    """The nearest 5,000 rows are deleted: the next nearest are found nevertheless."""
    vectors = clustered(20_000, 16)
    index, oracle = FaissIndex(16, coded_from=1_000), ExactIndex(16)
    for one in (index, oracle):
        one.upsert(numbered(20_000), vectors)
    probe = vectors[:1]
    near = np.array([n.template_id for n in oracle.search(probe, 4_000)[0]], dtype=np.int64)
    for one in (index, oracle):
        one.remove(near)
    found, expected = index.search(probe, 3)[0], oracle.search(probe, 3)[0]
    assert [n.template_id for n in found] == [n.template_id for n in expected]


@pytest.mark.parametrize("coded_from", [1_000, 100_000])
def test_a_removed_vector_is_in_no_snapshot(tmp_path: Path, coded_from: int) -> None:
    file = tmp_path / "one.faiss"
    vectors = clustered(5_000, 16)
    index = FaissIndex(16, file, "key", coded_from)
    index.upsert(numbered(5_000), vectors)
    index.revision = 1
    index.flush()
    assert vectors[6].tobytes() in file.read_bytes(), "it was there"
    index.remove(numbered(1, first=7))
    index.upsert(numbered(1, first=9), -vectors[8:9])
    index.revision = 2
    index.close()
    kept = file.read_bytes()
    assert vectors[6].tobytes() not in kept
    assert vectors[8].tobytes() not in kept, "what was replaced is gone, too"
    assert vectors[7].tobytes() in kept


@pytest.mark.parametrize("coded_from", [1, 1_000])
def test_a_snapshot_survives_and_remembers_its_revision(tmp_path: Path, coded_from: int) -> None:
    file = tmp_path / "one.faiss"
    index = FaissIndex(DIMENSION, file, "key", coded_from)
    index.upsert(numbered(20), rows(20))
    index.remove(numbered(1, first=20))
    index.revision = 21
    index.close()
    again = FaissIndex(DIMENSION, file, "key", coded_from)
    assert (again.revision, again.size()) == (21, 19)
    assert again.search(rows(20), 1)[4][0].template_id == 5
    again.upsert(numbered(1, first=30), rows(1, seed=7))
    assert again.search(rows(1, seed=7), 1)[0][0].template_id == 30


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "key", "dimension", "rubbish"])
def test_a_bad_snapshot_is_ignored_not_trusted(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "one.faiss"
    index = FaissIndex(DIMENSION, file, "key")
    index.upsert(numbered(20), rows(20))
    index.revision = 20
    index.close()
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[-9] ^= 0xFF
    damaged = {"cut": content[:-100], "empty": b"", "rubbish": b"{}\nno"}.get(damage, content)
    file.write_bytes(bytes(damaged))
    dimension = 4 if damage == "dimension" else DIMENSION
    again = FaissIndex(dimension, file, "other" if damage == "key" else "key")
    assert (again.revision, again.size()) == (0, 0)


def test_a_full_disk_costs_the_snapshot_only(tmp_path: Path) -> None:
    file = tmp_path / "no" / "one.faiss"
    (tmp_path / "no").write_text("a file where a folder should be")
    index = FaissIndex(DIMENSION, file, "key")
    index.upsert(numbered(3), rows(3))
    index.revision = 3
    index.close()
    assert len(index.search(rows(1), 3)[0]) == 3
