"""Snapshots of the FAISS engine: written while rows change, damaged, encrypted, abandoned."""

import hashlib
import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from app.crypto.keyring import Keyring
from app.crypto.stream import CHUNK, HEADER, TAG, Writable
from app.index.exact import ExactIndex
from app.index.faiss.index import FaissIndex
from app.index.faiss.quantized import QuantizedRows
from app.index.faiss.row_blocks import IN_MEMORY, in_files
from app.index.faiss.snapshot import SnapshotHeader, write_snapshot
from tests.contract.test_faiss import clustered
from tests.contract.test_index import DIMENSION, numbered, rows


def test_a_large_snapshot_waits_for_the_disk_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where gigabytes wait for the disk, Linux delays enrollments, and searches behind them."""
    sizes, megabyte, sync = [0], 1 << 20, os.fsync

    def observed(descriptor: int) -> None:
        sync(descriptor)
        sizes.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", observed)
    header = SnapshotHeader("key", "flat", 1, DIMENSION, encrypted=False)
    part = memoryview(bytes(16 * megabyte))

    def write(stream: Writable) -> None:
        for _ in range(12):
            stream.write(part)

    write_snapshot(tmp_path / "snapshot", header, write)
    steps = [after - before for before, after in pairwise(sizes)]
    assert len(steps) > 2
    assert max(steps) <= 80 * megabyte


def test_a_snapshot_in_another_precision_is_ignored(tmp_path: Path) -> None:
    """So that vectors in memory are exact after `faiss:mapped` was in use."""
    file, vectors = tmp_path / "a.faiss", clustered(2_000, 32)
    mapped = FaissIndex(32, file, "key", 1_000, storage=in_files(tmp_path))
    mapped.upsert(numbered(2_000), vectors)
    mapped.revision = 1
    mapped.close()
    assert FaissIndex(32, file, "key", 1_000, storage=in_files(tmp_path)).size() == 2_000
    assert FaissIndex(32, file, "key", 1_000).size() == 0


class Slow(io.BytesIO):
    """A stream that lets another thread work before each write."""

    def __init__(self, between: Callable[[], None]) -> None:
        super().__init__()
        self._between = between

    def write(self, data: object, /) -> int:
        self._between()
        return super().write(data)  # type: ignore[arg-type]  # any buffer


def test_rows_may_change_while_a_snapshot_is_written() -> None:
    """What is read has the state of `freeze`, once the later changes were applied again."""
    vectors = clustered(60_000, 32)
    rows, oracle = QuantizedRows(32), ExactIndex(32)
    for one in (rows, oracle):
        one.upsert(numbered(40_011), vectors[:40_011])  # the last block of codes is incomplete
        one.delete(numbered(11, first=40_001))
    write = rows.freeze()
    turns = iter(range(100))

    def change(one: QuantizedRows | ExactIndex, turn: int) -> None:
        one.delete(numbered(100, first=1 + 200 * turn))
        one.upsert(numbered(500, first=50_000 + 500 * turn), vectors[40_100 + 500 * turn :][:500])
        one.upsert(numbered(10, first=150 + 200 * turn), vectors[59_000 + 10 * turn :][:10])

    stream = Slow(lambda: change(rows, next(turns)))
    write(stream)
    changes = next(turns)
    assert changes >= 4
    stream.seek(0)
    again = QuantizedRows(32)
    again.read(stream)
    assert again.size() == oracle.size() == 40_000
    for turn in range(changes):
        change(again, turn)
        change(oracle, turn)
    for one in (rows, again):
        assert sorted(one.ids()) == sorted(oracle.ids())
        same = 0
        for probe in vectors[::600]:
            found, expected = one.search(probe[None], 5)[0], oracle.search(probe[None], 5)[0]
            same += len({n.row_id for n in found} & {n.row_id for n in expected})
        assert same >= 0.99 * 500
        one.close()


class Keeping(io.BytesIO):
    """A stream that keeps what it is given, and a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[memoryview, bytes]] = []

    def write(self, data: object, /) -> int:
        view = memoryview(data)  # type: ignore[arg-type]  # any buffer
        self.given.append((view, view.tobytes()))
        return len(self.given[-1][1])


@pytest.mark.parametrize("mapped", [False, True])
def test_what_a_snapshot_writes_does_not_change_afterwards(tmp_path: Path, mapped: bool) -> None:
    """It is read twice: a row deleted between the digest and the file would spoil the snapshot."""
    storage = in_files(tmp_path, block_bytes=1 << 16) if mapped else IN_MEMORY
    rows, stream = QuantizedRows(32, storage), Keeping()
    rows.upsert(numbered(5_000), clustered(5_000, 32))
    rows.freeze()(stream)
    rows.delete(numbered(5_000))
    rows.freeze()(Keeping())  # waits until the rows are overwritten
    assert all(view.tobytes() == copy for view, copy in stream.given)


def test_flushing_does_not_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a snapshot is being written, rows are added and found, and no other one is begun."""
    file, allowed = tmp_path / "a.faiss", threading.Event()
    write = os.fsync

    def slow(descriptor: int) -> None:
        allowed.wait()
        write(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    index, vectors = FaissIndex(32, file, "key", 1_000), clustered(3_000, 32)
    index.upsert(numbered(2_000), vectors[:2_000])
    index.revision = 1
    assert index.flush()
    index.upsert(numbered(1_000, first=2_001), vectors[2_000:])
    index.revision = 2
    assert index.search(vectors[2_500:2_501], 1)[0][0].row_id == 2_501
    assert not index.flush(), "the first one is being written"
    allowed.set()
    index.wait_until_flushed()
    assert FaissIndex(32, file, "key", 1_000).revision == 1
    index.close()
    again = FaissIndex(32, file, "key", 1_000)
    assert (again.revision, again.size()) == (2, 3_000)


@pytest.mark.parametrize("quantize_from", [1_000, 100_000])
def test_a_deleted_vector_is_not_in_the_snapshot(tmp_path: Path, quantize_from: int) -> None:
    file = tmp_path / "one.faiss"
    vectors = clustered(5_000, 16)
    index = FaissIndex(16, file, "key", quantize_from)
    index.upsert(numbered(5_000), vectors)
    index.revision = 1
    index.flush()
    index.wait_until_flushed()
    assert vectors[6].tobytes() in file.read_bytes(), "not deleted yet"
    index.delete(numbered(1, first=7))
    index.upsert(numbered(1, first=9), -vectors[8:9])
    index.revision = 2
    index.close()
    kept = file.read_bytes()
    assert vectors[6].tobytes() not in kept
    assert vectors[8].tobytes() not in kept, "a replaced vector is purged, too"
    assert vectors[7].tobytes() in kept


@pytest.mark.parametrize("quantize_from", [1, 1_000])
def test_a_snapshot_restores_rows_and_revision(tmp_path: Path, quantize_from: int) -> None:
    file = tmp_path / "one.faiss"
    index = FaissIndex(DIMENSION, file, "key", quantize_from)
    index.upsert(numbered(20), rows(20))
    index.delete(numbered(1, first=20))
    index.revision = 21
    index.close()
    again = FaissIndex(DIMENSION, file, "key", quantize_from)
    assert (again.revision, again.size()) == (21, 19)
    assert again.search(rows(20), 1)[4][0].row_id == 5
    again.upsert(numbered(1, first=30), rows(1, seed=7))
    assert again.search(rows(1, seed=7), 1)[0][0].row_id == 30


def test_unfinished_snapshots_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    old, recent, other = (
        tmp_path / name for name in ("one.17.new", "one.18.new", "another.17.new")
    )
    for one in (old, recent, other):
        one.write_bytes(b"half of a snapshot")
    for one in (old, other):
        os.utime(one, (1_000_000_000, 1_000_000_000))
    FaissIndex(DIMENSION, tmp_path / "one.faiss", "key")
    assert not old.exists()
    assert recent.exists(), "another process may be writing it"
    assert other.exists(), "it belongs to another collection"


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "key", "dimension", "rubbish"])
def test_an_invalid_snapshot_is_ignored(tmp_path: Path, damage: str) -> None:
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


@pytest.fixture(name="log")
def _log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The engine's log records, also where the service replaced the root logger's handlers."""
    logger = logging.getLogger("app.index.faiss.index")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def as_format_2(file: Path) -> None:
    """Turn a snapshot into one of the previous format, with a valid digest."""
    header, _, rest = file.read_bytes().partition(b"\n")
    fields = json.loads(header)
    fields["sealed"] = fields.pop("encrypted")
    del fields["format"]
    content = json.dumps(fields).encode() + b"\n" + rest[:-32]
    file.write_bytes(content + hashlib.sha256(content).digest())


@pytest.mark.parametrize("keyring", [Keyring(), Keyring([bytes(32)])], ids=["plain", "encrypted"])
def test_a_snapshot_of_an_earlier_format_is_ignored_and_replaced(
    tmp_path: Path, log: pytest.LogCaptureFixture, keyring: Keyring
) -> None:
    file = tmp_path / "one.faiss"
    index = FaissIndex(DIMENSION, file, "key", keyring=keyring)
    index.upsert(numbered(20), rows(20))
    index.revision = 20
    index.close()
    assert FaissIndex(DIMENSION, file, "key", keyring=keyring).revision == 20
    as_format_2(file)
    again = FaissIndex(DIMENSION, file, "key", keyring=keyring)
    assert (again.revision, again.size()) == (0, 0)
    record = log.records[0]
    for words in (
        "index_snapshot_ignored",
        "format is 2, expected 4",
        "rebuilding from the database",
    ):
        assert words in str(record.msg)
    again.upsert(numbered(5), rows(5))
    again.revision = 19  # the revision in the header of the earlier format does not count
    again.close()
    assert FaissIndex(DIMENSION, file, "key", keyring=keyring).size() == 5


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_an_encrypted_snapshot_cut_at_a_chunk_border_is_ignored(tmp_path: Path, kept: int) -> None:
    """Also with a digest that matches: anyone can compute it."""
    keyring, file = Keyring([bytes(32)]), tmp_path / "one.faiss"
    index = FaissIndex(512, file, "key", keyring=keyring)
    vectors = clustered(1_300, 512)  # 2.6 MB: three chunks
    index.upsert(numbered(1_300), vectors)
    index.revision = 1
    index.close()
    header, _, rest = file.read_bytes().partition(b"\n")
    content = header + b"\n" + rest[: HEADER + kept * (CHUNK + TAG)]
    file.write_bytes(content + hashlib.sha256(content).digest())
    again = FaissIndex(512, file, "key", keyring=keyring)
    assert (again.revision, again.size()) == (0, 0)


def test_bytes_after_the_rows_make_a_snapshot_invalid(tmp_path: Path) -> None:
    file = tmp_path / "one.faiss"
    index = FaissIndex(DIMENSION, file, "key", quantize_from=1)
    index.upsert(numbered(20), rows(20))
    index.revision = 20
    index.close()
    content = file.read_bytes()[:-32] + b"more"
    file.write_bytes(content + hashlib.sha256(content).digest())
    assert FaissIndex(DIMENSION, file, "key", quantize_from=1).size() == 0


def test_without_space_for_the_snapshot_the_index_works(tmp_path: Path) -> None:
    file = tmp_path / "no" / "one.faiss"
    (tmp_path / "no").write_text("a file where a folder should be")
    index = FaissIndex(DIMENSION, file, "key")
    index.upsert(numbered(3), rows(3))
    index.revision = 3
    index.close()
    assert len(index.search(rows(1), 3)[0]) == 3
