"""FAISS engine: quantization, mapped vectors and deleted rows, beyond the contract."""

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from app.index.exact import ExactIndex
from app.index.faiss.code_rebuild import CodeRebuild
from app.index.faiss.index import FaissIndex
from app.index.faiss.quantized import QuantizedRows
from app.index.faiss.row_blocks import RowBlocks, in_files
from app.vectors import Matrix, l2_normalize
from tests.contract.test_index import numbered


def clustered(count: int, dimension: int) -> Matrix:
    """Unit vectors in clusters, as those of photos of people and of words."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(count // 20, dimension))
    noise = rng.normal(size=(count, dimension))
    return l2_normalize(centres[rng.integers(0, len(centres), count)] + 0.5 * noise)


def test_quantized_search_finds_what_exact_search_finds() -> None:
    """With enough rows for the codes to be used, before and after a third was deleted."""
    vectors = clustered(30_000, 32)
    index, oracle = FaissIndex(32, quantize_from=1_000), ExactIndex(32)
    for one in (index, oracle):
        one.upsert(numbered(30_000), vectors)
    gone = numbered(10_000, first=5_001)
    for _ in range(2):
        hits = 0
        for probe in vectors[::300]:
            found, expected = index.search(probe[None], 5)[0], oracle.search(probe[None], 5)[0]
            hits += len({n.row_id for n in found} & {n.row_id for n in expected})
            assert found[0].similarity == pytest.approx(expected[0].similarity, abs=1e-5)
        assert hits >= 0.99 * 500
        for one in (index, oracle):
            one.delete(gone)
        assert index.size() == oracle.size() == 20_000


def test_codes_are_rebuilt_in_the_background() -> None:
    """Rows added, deleted and replaced during the rebuild are found correctly after it."""
    vectors = clustered(60_000, 32)
    rows, oracle = QuantizedRows(32), ExactIndex(32)
    for one in (rows, oracle):
        one.upsert(numbered(40_000), vectors[:40_000])
    for one in (rows, oracle):
        one.delete(numbered(21_000, first=5_001))  # enough deleted codes for a rebuild
        for start in range(0, 5_000, 500):
            one.upsert(numbered(500, first=50_001 + start), vectors[40_000 + start :][:500])
        one.upsert(numbered(500), vectors[59_500:])
        one.delete(numbered(100, first=50_001))
    for _ in range(2):
        assert sorted(rows.ids()) == sorted(oracle.ids())
        same = 0
        for probe in vectors[::600]:
            found, expected = rows.search(probe[None], 5)[0], oracle.search(probe[None], 5)[0]
            same += len({n.row_id for n in found} & {n.row_id for n in expected})
        assert same >= 0.99 * 500
        rows.wait_for_rebuild()
    rows.close()


def test_slots_of_deleted_rows_are_reused() -> None:
    """After many rounds of enrolling and deleting, the snapshot has hardly grown."""
    rows, vectors = QuantizedRows(16), clustered(3_000, 16)
    rows.upsert(numbered(2_000), vectors[:2_000])
    rows.wait_for_rebuild()
    sink = io.BytesIO()
    rows.freeze()(sink)
    for turn in range(1, 6):
        rows.delete(numbered(1_000, first=1_000 * turn - 999))
        rows.upsert(numbered(1_000, first=1_000 * turn + 1_001), vectors[1_000:2_000])
    rows.wait_for_rebuild()
    again = io.BytesIO()
    rows.freeze()(again)
    assert rows.size() == 2_000
    assert len(again.getvalue()) < 1.5 * len(sink.getvalue())


def assert_alike(index: FaissIndex, oracle: FaissIndex, probes: Matrix) -> None:
    """The same rows; similarities differ by the rounding of half precision only."""
    answers = zip(index.search(probes, 5), oracle.search(probes, 5), strict=True)
    for found, expected in answers:
        assert {n.row_id for n in found} == {n.row_id for n in expected}
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.similarity == pytest.approx(theirs.similarity, abs=2e-4)
            assert ours.similarity <= 1.0


def test_mapped_vectors_give_the_same_answers(tmp_path: Path) -> None:
    vectors = clustered(20_000, 32)
    storage = in_files(tmp_path, block_bytes=1 << 17)  # ten files
    mapped = FaissIndex(32, tmp_path / "a.faiss", "key", 1_000, storage=storage)
    plain = FaissIndex(32, quantize_from=1_000)
    for one in (mapped, plain):
        one.upsert(numbered(20_000), vectors)
        one.delete(numbered(50, first=101))
    assert_alike(mapped, plain, vectors[:200])
    mapped.revision = 2
    mapped.close()
    assert [file.name for file in tmp_path.iterdir()] == ["a.faiss"], "the files are unlinked"
    again = FaissIndex(32, tmp_path / "a.faiss", "key", 1_000, storage=storage)
    assert_alike(again, plain, vectors[:200])


def test_without_space_for_files_vectors_are_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    vectors = clustered(2_000, 8)
    index = FaissIndex(8, quantize_from=1, storage=in_files(tmp_path / "file", block_bytes=1 << 12))
    index.upsert(numbered(2_000), vectors)
    index.upsert(numbered(1, first=2), -vectors[1:2])
    assert index.search(vectors[:1], 1)[0][0].row_id == 1
    assert index.search(-vectors[1:2], 1)[0][0].row_id == 2
    index.close()
    assert "vector_file_not_mapped" in caplog.text


def test_changed_rows_are_found_before_the_disk_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No change waits for the disk, which can take 0.2 s, and none is lost or overtaken."""
    allowed, write = threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        allowed.wait()
        write(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    vectors = clustered(2_600, 32)
    rows, oracle = RowBlocks(32, in_files(tmp_path, block_bytes=1 << 16)), vectors.copy()
    rows.append(vectors)  # two full blocks of 1,024 rows, which wait for the disk, and a third
    changed = np.array([5, 1_100, 2_500], dtype=np.int64)
    everything = np.arange(2_600)
    for change in (vectors[7:10], vectors[17:20]):
        rows.put(changed, change)
        oracle[changed] = change
        np.testing.assert_allclose(rows.take(everything), oracle, atol=1e-3)
        np.testing.assert_allclose(rows.dots(vectors[0]), oracle @ vectors[0], atol=1e-2)
    rows.purge(changed[:2])
    assert not allowed.is_set(), "nothing has waited"
    allowed.set()
    rows.settle()
    oracle[changed[:2]] = 0
    np.testing.assert_allclose(np.concatenate(list(rows.blocks(2_600))), oracle, atol=1e-3)
    np.testing.assert_allclose(rows.take(everything), oracle, atol=1e-3)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_no_codes_are_computed_of_rows_that_were_all_deleted() -> None:
    """A thread that begins after their deletion finds none; a later change starts another one."""
    nothing = np.empty(0, dtype=np.int64)
    rebuild = CodeRebuild(RowBlocks(32), lambda: nothing, lambda slots: slots < 0, background=True)
    assert rebuild.result(wait=True) is None
    assert rebuild.failed


def test_deleted_candidates_do_not_hide_other_rows() -> None:
    """The nearest 4,000 rows are deleted: the next nearest are found."""
    vectors = clustered(20_000, 16)
    index, oracle = FaissIndex(16, quantize_from=1_000), ExactIndex(16)
    for one in (index, oracle):
        one.upsert(numbered(20_000), vectors)
    probe = vectors[:1]
    near = np.array([n.row_id for n in oracle.search(probe, 4_000)[0]], dtype=np.int64)
    for one in (index, oracle):
        one.delete(near)
    found, expected = index.search(probe, 3)[0], oracle.search(probe, 3)[0]
    assert [n.row_id for n in found] == [n.row_id for n in expected]
