"""Tests vocabulary imports: invalid and hostile files, concurrent writers, a killed process."""

import gzip
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update

from app.errors import CollectionExists, NotReady
from app.index.faiss.index import FaissIndex
from app.settings import PROJECT
from app.store.collections import list_collections
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import STAGED, Base, CollectionRow, EntryRow, now
from app.store.index_sync import IndexSync
from app.store.staging import ABANDONED_AFTER, delete_abandoned
from app.words.editing import VocabularyEditor
from app.words.records import InvalidVectorFile

Counts = dict[str, int]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(opened)
    yield opened
    opened.close()


def editor(database: Database, max_bytes: int = 1 << 40) -> VocabularyEditor:
    def open_index(_collection: object) -> FaissIndex:
        return FaissIndex(4)

    return VocabularyEditor(database, IndexSync(open_index), max_bytes)


def lines(count: int) -> list[bytes]:
    """GloVe lines with four numbers each."""
    numbers = np.random.default_rng(0).normal(size=(count, 4))
    rows = (f"{a:.3f} {b:.3f} {c:.3f} {d:.3f}" for a, b, c, d in numbers)
    return [f"w{i} {row}\n".encode() for i, row in enumerate(rows)]


def rows_of(database: Database) -> Counts:
    """The number of rows of each table; embedding spaces are kept after their collections."""
    tables = [t for t in Base.metadata.sorted_tables if t.name != "embedding_spaces"]
    with database.read() as session:
        return {t.name: session.scalar(select(func.count()).select_from(t)) or 0 for t in tables}


LARGE = 250_001
MANY = 25_001
INVALID_LINES: dict[str, tuple[int, bytes]] = {
    "another dimension": (LARGE, b"x 1 2 3\n"),
    "not a number": (MANY, b"x 1 2 3 nan\n"),
    "a duplicate word": (MANY, b"w7 1 2 3 4\n"),
    "not UTF-8": (MANY, b"\xc3\x28 1 2 3 4\n"),
}


@pytest.fixture(scope="module")
def large() -> list[bytes]:
    return lines(LARGE - 1)


@pytest.mark.parametrize("what", list(INVALID_LINES))
def test_an_invalid_last_line_leaves_nothing_of_a_large_file(
    database: Database, large: list[bytes], what: str
) -> None:
    before = rows_of(database)
    number, line = INVALID_LINES[what]
    content = b"".join([*large[: number - 1], line])
    with pytest.raises(InvalidVectorFile) as refused:
        editor(database).create("mine", io.BytesIO(content), None)
    assert refused.value.where == f"line {number}"
    assert rows_of(database) == before


class GeneratedFile(io.RawIOBase):
    """A file of `size` bytes: `head`, then the digit 1, generated while it is read."""

    def __init__(self, head: bytes, size: int) -> None:
        self._head, self._size, self._at = head, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        assert (offset, whence) == (0, 0), "readers seek to the start only"
        self._at = 0
        return 0

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._size - self._at)
        start = self._head[self._at : self._at + size]
        self._at += size
        return start + b"1" * (size - len(start))


def test_a_line_of_one_gigabyte_is_refused_with_its_number(database: Database) -> None:
    endless = GeneratedFile(b"a 1 2 3 4\nb ", 1 << 30)
    with pytest.raises(InvalidVectorFile) as refused:
        editor(database).create("mine", endless, None)  # type: ignore[arg-type]  # read and seek
    assert refused.value.where == "line 2"


def test_a_gzip_bomb_is_refused_at_the_limit(database: Database) -> None:
    before = rows_of(database)
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=1) as zipped:
        for start in range(0, 60_000, 10_000):
            zipped.write(b"".join(b"z%d 0 0 0 1\n" % n for n in range(start, start + 10_000)))
    with pytest.raises(InvalidVectorFile, match="larger than 500,000 bytes"):
        editor(database, max_bytes=500_000).create("mine", bomb, None)
    assert rows_of(database) == before


def test_other_writers_commit_between_the_blocks_of_a_large_file(
    database: Database, large: list[bytes]
) -> None:
    """Other writers do not wait for the import, and the vocabulary is unlisted until its end."""
    seen: list[set[str]] = []

    def between(_words: int) -> None:
        editor(database).create(f"small-{len(seen)}", io.BytesIO(b"a 1 2 3 4\n"), None)
        with database.read() as session:
            seen.append({collection.name for collection in list_collections(session)})

    content = io.BytesIO(b"".join(large[:35_000]))
    editor(database).create("large", content, None, progress=between)
    assert seen == [{f"small-{i}" for i in range(n + 1)} for n in range(4)]
    with database.read() as session:
        assert "large" in {collection.name for collection in list_collections(session)}


def test_two_concurrent_uploads_of_one_name_create_one_vocabulary(database: Database) -> None:
    outcomes: list[str] = []

    def create() -> None:
        try:
            editor(database).create("other", io.BytesIO(b"".join(lines(20_000))), None)
            outcomes.append("created")
        except CollectionExists:
            outcomes.append("refused")

    workers = [threading.Thread(target=create) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(outcomes) == ["created", "refused"]
    assert rows_of(database)["entries"] == 20_000


def test_a_killed_import_is_unlisted_and_deleted_later(tmp_path: Path) -> None:
    """SIGKILL between two blocks; the staged rows are deleted after `ABANDONED_AFTER`."""
    file = tmp_path / "vectors.txt"
    file.write_bytes(b"".join(lines(150_000)))
    environment = {**os.environ, "SIMA_DATA_DIR": str(tmp_path), "SIMA_DEFAULT_VOCABULARY": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "words", "import", str(file), "--name", "mine"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    database = Database(f"sqlite:///{tmp_path / 'sima.db'}")
    while process.poll() is None and _staged_words(database, tmp_path) == 0:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert _staged_words(database, tmp_path) > 0, "the process was killed during the import"
    with database.read() as session:
        assert list_collections(session) == []
    delete_abandoned(database)
    assert _staged_words(database, tmp_path) > 0, "a recent import may still be running"
    with database.write() as session:
        old = now() - ABANDONED_AFTER - timedelta(minutes=1)
        session.execute(update(CollectionRow).values(created_at=old))
    delete_abandoned(database)
    rows = rows_of(database)
    assert (rows["collections"], rows["entries"], rows["templates"]) == (0, 0, 0)
    database.close()


def _staged_words(database: Database, folder: Path) -> int:
    if not (folder / "sima.db").exists():
        return 0
    with suppress(NotReady), database.read() as session:  # the schema is being created
        query = (
            select(func.count())
            .select_from(EntryRow)
            .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
            .where(CollectionRow.kind == STAGED)
        )
        return session.scalar(query) or 0
    return 0
