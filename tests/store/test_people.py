"""The store on a real SQLite file: migrations, journal, catching up, snapshots."""

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text

from app.errors import CollectionExists
from app.index.faiss.index import FaissIndex
from app.store.collections import (
    create_collection,
    get_collection,
    list_collections,
    lock_collection,
)
from app.store.db.database import Database
from app.store.db.tables import GALLERY, JournalRow, TemplateRow
from app.store.people import NewPerson, add_person, add_template, delete_person
from app.words.analogies import Term
from app.words.editing import VocabularyEditor
from app.words.neighbors import Filters
from app.words.records import InvalidVectorFile
from app.words.vocabularies import VocabularyService
from tests.store.galleries import SPACE, WITHIN, add, find, index_sync, vector


def test_writers_of_one_gallery_take_turns(database: Database) -> None:
    """However many at once: the journal has no gap and nobody is lost."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: add(database, seed), range(40)))
    with database.read() as session:
        gallery = get_collection(session, "people")
        revisions = list(session.scalars(select(JournalRow.revision).order_by(JournalRow.revision)))
    assert revisions == list(range(1, 41))
    assert (gallery.size, gallery.revision) == (40, 40)
    assert len(find(database, index_sync(), 1, k=100)) == 40


def test_a_lock_shows_the_gallery_as_it_is_then(database: Database) -> None:
    """Who waited for the lock must see what the one before wrote, not what was read earlier."""
    read_early, revisions = threading.Event(), []

    def waiting_writer() -> None:
        with database.write() as session:
            early = get_collection(session, "people")
            read_early.set()
            revisions.append(lock_collection(session, early).revision)

    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        thread = threading.Thread(target=waiting_writer)
        thread.start()
        read_early.wait(1.0)  # SQLite's second writer waits even before it reads
        person = add_person(session, gallery, NewPerson("P", None, {}))
        add_template(session, gallery, person, vector(1), 0.9)
    thread.join()
    assert revisions == [1]


def test_sqlite_is_in_wal_mode_and_syncs(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_a_write_is_whole_or_absent(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        add_person(session, gallery, NewPerson("half", None, {}))
        raise RuntimeError("the process fails here")
    assert find(database, index_sync(), 1) == []
    with database.read() as session:
        assert get_collection(session, "people").size == 0


def test_two_workers_see_each_other(database: Database) -> None:
    one, two = index_sync(), index_sync()
    person = add(database, 1)
    assert find(database, one, 1) == ["P1"]
    add(database, 2)
    assert find(database, two, 2)[0] == "P2"
    with database.write() as session:
        delete_person(session, person.person_id, WITHIN)
    assert find(database, one, 1) == find(database, two, 1) == ["P2"]


def test_one_row_a_person_however_many_photos(database: Database) -> None:
    index = index_sync()
    crowd = add(database, 1)
    for seed in range(10, 40):
        add(database, seed, crowd)
    add(database, 2)
    add(database, 3)
    assert sorted(find(database, index, 1, k=3)) == ["P1", "P2", "P3"]


def test_the_journal_counts_without_gaps(database: Database) -> None:
    person = add(database, 1)
    add(database, 2)
    with database.write() as session:
        delete_person(session, person.person_id, WITHIN)
    with database.read() as session:
        gallery = get_collection(session, "people")
        rows = session.execute(
            select(JournalRow.revision, JournalRow.op).order_by(JournalRow.revision)
        ).all()
    assert [tuple(row) for row in rows] == [(1, "upsert"), (2, "upsert"), (3, "remove")]
    assert (gallery.revision, gallery.size) == (3, 1)


def test_a_restart_replays_only_the_tail(database: Database, tmp_path: Path) -> None:
    for seed in range(20):
        add(database, seed)
    first = index_sync(tmp_path)
    find(database, first, 1)
    first.close()
    add(database, 99)
    with database.write() as session:  # what the snapshot holds is not asked for again
        session.execute(text("DELETE FROM journal WHERE revision <= 20"))
    second = index_sync(tmp_path)
    assert find(database, second, 99)[0] == "P99"
    with database.read() as session:
        gallery = get_collection(session, "people")
        assert second.size(session, gallery) == 21


def test_a_gap_in_the_journal_means_a_rebuild(database: Database) -> None:
    index = index_sync()
    add(database, 1)
    find(database, index, 1)
    add(database, 2)
    add(database, 3)
    with database.write() as session:
        session.execute(text("DELETE FROM journal WHERE revision = 2"))
    assert len(find(database, index, 2)) == 3


def test_the_snapshot_of_a_rolled_back_database_is_thrown_away(
    database: Database, tmp_path: Path
) -> None:
    add(database, 1)
    with database.read() as session:
        number = get_collection(session, "people").row_id
    ahead = FaissIndex(4, tmp_path / f"{number}.faiss", "key")
    ahead.upsert(np.array([77]), vector(7)[None])
    ahead.revision = 1000
    ahead.close()
    assert find(database, index_sync(tmp_path), 7) == ["P1"]


def test_names_of_collections_are_unique(database: Database) -> None:
    with pytest.raises(CollectionExists), database.write() as session:
        create_collection(session, "people", GALLERY, SPACE)
    with database.read() as session:
        assert [c.name for c in list_collections(session)] == ["people"]


def test_words_come_change_and_go_in_every_worker(database: Database, tmp_path: Path) -> None:
    """The same on both databases: the editor of one worker, the index of another."""
    one, other = index_sync(), index_sync()
    editor = VocabularyEditor(database, one, 1_000_000)
    words = VocabularyService(database, other)
    lines = "".join(f"w{n} {' '.join(map(str, vector(n)))}\n" for n in range(50))
    assert editor.create("words", BytesIO(lines.encode()), None).size == 50

    def nearest(seed: int) -> str:
        term = Term(vector=tuple(vector(seed).tolist()))
        return words.nearest([term], [], "3cosadd", Filters(1), "words").neighbors[0].word

    assert nearest(7) == "w7"
    editor.put_word("words", "سیب", vector(7).tolist())
    editor.delete_word("words", "w7")
    assert nearest(7) == "سیب"
    editor.put_word("words", "w9", vector(200).tolist())
    assert nearest(200) == "w9"
    assert words.get("words").size == 50

    with pytest.raises(InvalidVectorFile):
        editor.create("other", BytesIO(lines.encode() + b"w0 1\n"), None)
    assert [found.name for found in words.names()] == ["words"]
    assert len(list(editor.export("words", "word2vec-text"))) == 51
    editor.delete("words")
    assert words.names() == []


def test_a_comparison_names_what_differs(database: Database) -> None:
    """Rows that are missing, left over, or another's vector; a level index has none of them."""
    index = index_sync()
    people = [add(database, seed) for seed in range(3)]
    with database.read() as session:
        gallery = get_collection(session, "people")
    level = index.compare(database, gallery)
    assert (level.level, level.stored, level.indexed, level.behind) == (True, 3, 3, 3)
    with database.write() as session:  # behind the journal's back
        [first, second, _] = session.scalars(select(TemplateRow).order_by(TemplateRow.row_id))
        first.vector = (-vector(0)).astype("<f4").tobytes()
        session.delete(second)
        copy = {"entry_id": people[2].row_id, "collection_id": gallery.row_id}
        session.add(TemplateRow(**copy, public_id="x", vector=vector(9).astype("<f4").tobytes()))
    found = index.compare(database, gallery)
    assert (found.missing, found.extra, found.changed, found.behind) == (1, 1, 1, 0)
    assert not found.level
    assert index.rebuild(database, gallery) == 3
    assert index.compare(database, gallery).level
