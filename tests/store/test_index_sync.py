"""Indexes follow the journal: other processes, restarts, gaps, restored databases."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from app.index.faiss.index import FaissIndex
from app.store.collections import (
    get_collection,
)
from app.store.db.database import Database
from app.store.erasures import delete_person
from app.words.analogies import Term
from app.words.editing import VocabularyEditor
from app.words.neighbors import Filters
from app.words.records import InvalidVectorFile
from app.words.vocabularies import VocabularyService
from tests.store.galleries import WITHIN, add, find, index_sync, vector


def test_two_processes_see_each_others_changes(database: Database) -> None:
    one, two = index_sync(), index_sync()
    person = add(database, 1)
    assert find(database, one, 1) == ["P1"]
    add(database, 2)
    assert find(database, two, 2)[0] == "P2"
    with database.write() as session:
        delete_person(session, person.person_id, WITHIN)
    assert find(database, one, 1) == find(database, two, 1) == ["P2"]


def test_a_restart_applies_only_newer_journal_rows(database: Database, tmp_path: Path) -> None:
    for seed in range(20):
        add(database, seed)
    first = index_sync(tmp_path)
    find(database, first, 1)
    first.close()
    add(database, 99)
    with database.write() as session:  # templates of the snapshot are not read again
        session.execute(text("DELETE FROM journal WHERE revision <= 20"))
    second = index_sync(tmp_path)
    assert find(database, second, 99)[0] == "P99"
    with database.read() as session:
        gallery = get_collection(session, "people")
        assert second.size(session, gallery) == 21


def test_a_gap_in_the_journal_causes_a_reload(database: Database) -> None:
    index = index_sync()
    add(database, 1)
    find(database, index, 1)
    add(database, 2)
    add(database, 3)
    with database.write() as session:
        session.execute(text("DELETE FROM journal WHERE revision = 2"))
    assert len(find(database, index, 2)) == 3


def test_a_snapshot_newer_than_the_database_is_ignored(database: Database, tmp_path: Path) -> None:
    add(database, 1)
    with database.read() as session:
        number = get_collection(session, "people").row_id
    ahead = FaissIndex(4, tmp_path / f"{number}.faiss", "key")
    ahead.upsert(np.array([77]), vector(7)[None])
    ahead.revision = 1000
    ahead.close()
    assert find(database, index_sync(tmp_path), 7) == ["P1"]


def test_changes_of_words_are_seen_by_other_processes(database: Database, tmp_path: Path) -> None:
    """The editor belongs to one process, the index to another."""
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
    assert [found.name for found in words.list_all()] == ["words"]
    assert b"".join(editor.export("words", "word2vec-text")).count(b"\n") == 51
    editor.delete("words")
    assert words.list_all() == []
