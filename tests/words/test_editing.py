"""A vocabulary comes in while others write; a process dies in the middle; a file is hostile."""

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
from app.store.staging import ABANDONED_AFTER, discard_abandoned
from app.words.editing import VocabularyEditor
from app.words.formats import BrokenFile

Counts = dict[str, int]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(opened)
    yield opened
    opened.close()


def editor(database: Database, most_bytes: int = 1 << 40) -> VocabularyEditor:
    def open_index(_collection: object) -> FaissIndex:
        return FaissIndex(4)

    return VocabularyEditor(database, IndexSync(open_index), most_bytes)


def lines(count: int) -> list[bytes]:
    """GloVe lines of four numbers."""
    numbers = np.random.default_rng(0).normal(size=(count, 4))
    rows = (f"{a:.3f} {b:.3f} {c:.3f} {d:.3f}" for a, b, c, d in numbers)
    return [f"w{i} {row}\n".encode() for i, row in enumerate(rows)]


def rows_of(database: Database) -> Counts:
    """How many rows each table of the store has; spaces outlive their collections."""
    tables = [t for t in Base.metadata.sorted_tables if t.name != "embedding_spaces"]
    with database.read() as session:
        return {t.name: session.scalar(select(func.count()).select_from(t)) or 0 for t in tables}


LARGE = 250_001
Spoil = dict[str, tuple[int, bytes]]
MANY = 25_001
HOSTILE: Spoil = {
    "another dimension": (LARGE, b"x 1 2 3\n"),
    "not a number": (MANY, b"x 1 2 3 nan\n"),
    "a word twice": (MANY, b"w7 1 2 3 4\n"),
    "not UTF-8": (MANY, b"\xc3\x28 1 2 3 4\n"),
}


@pytest.fixture(scope="module")
def large() -> list[bytes]:
    return lines(LARGE - 1)


@pytest.mark.parametrize("what", list(HOSTILE))
def test_the_last_line_of_a_large_file_spoils_it_whole(
    database: Database, large: list[bytes], what: str
) -> None:
    before = rows_of(database)
    number, line = HOSTILE[what]
    content = b"".join([*large[: number - 1], line])
    with pytest.raises(BrokenFile) as refused:
        editor(database).create("mine", io.BytesIO(content), None)
    assert refused.value.where == f"line {number}"
    assert rows_of(database) == before


class OneByteAgain(io.RawIOBase):
    """A file of so many equal bytes, which nobody has to keep."""

    def __init__(self, head: bytes, size: int) -> None:
        self._head, self._size, self._at = head, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        assert (offset, whence) == (0, 0), "readers go back to the start only"
        self._at = 0
        return 0

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._size - self._at)
        start = self._head[self._at : self._at + size]
        self._at += size
        return start + b"1" * (size - len(start))


def test_a_line_of_a_gigabyte_is_refused_at_its_number(database: Database) -> None:
    endless = OneByteAgain(b"a 1 2 3 4\nb ", 1 << 30)
    with pytest.raises(BrokenFile) as refused:
        editor(database).create("mine", endless, None)  # type: ignore[arg-type]  # read and seek
    assert refused.value.where == "line 2"


def test_a_gzip_bomb_ends_at_the_limit(database: Database) -> None:
    before = rows_of(database)
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=1) as zipped:
        for start in range(0, 60_000, 10_000):
            zipped.write(b"".join(b"z%d 0 0 0 1\n" % n for n in range(start, start + 10_000)))
    with pytest.raises(BrokenFile, match="larger than what is allowed"):
        editor(database, most_bytes=500_000).create("mine", bomb, None)
    assert rows_of(database) == before


def test_others_write_between_two_blocks_of_a_large_file(
    database: Database, large: list[bytes]
) -> None:
    """Nobody waits for the whole file, and nobody sees it before its end."""
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


def test_two_uploads_of_one_name_make_one_vocabulary(database: Database) -> None:
    outcomes: list[str] = []

    def create() -> None:
        try:
            editor(database).create("twin", io.BytesIO(b"".join(lines(20_000))), None)
            outcomes.append("made")
        except CollectionExists:
            outcomes.append("refused")

    workers = [threading.Thread(target=create) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(outcomes) == ["made", "refused"]
    assert rows_of(database)["entries"] == 20_000


def test_a_killed_import_leaves_nothing_that_anybody_sees(tmp_path: Path) -> None:
    """kill -9 between two blocks; what it left is taken back once it is old."""
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
    assert _staged_words(database, tmp_path) > 0, "it was killed in the middle"
    with database.read() as session:
        assert list_collections(session) == []
    discard_abandoned(database)
    assert _staged_words(database, tmp_path) > 0, "a young one may still be at work"
    with database.write() as session:
        old = now() - ABANDONED_AFTER - timedelta(minutes=1)
        session.execute(update(CollectionRow).values(created_at=old))
    discard_abandoned(database)
    left = rows_of(database)
    assert (left["collections"], left["entries"], left["templates"]) == (0, 0, 0)
    database.close()


def _staged_words(database: Database, folder: Path) -> int:
    if not (folder / "sima.db").exists():
        return 0
    with suppress(NotReady), database.read() as session:  # the schema is being made
        query = (
            select(func.count())
            .select_from(EntryRow)
            .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
            .where(CollectionRow.kind == STAGED)
        )
        return session.scalar(query) or 0
    return 0
