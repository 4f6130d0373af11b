"""Core statements return the same rows as the ORM, on SQLite and PostgreSQL."""

import numpy as np
import pytest
from sqlalchemy import select

from app.errors import VocabularyNotFound
from app.store.collections import COLLECTIONS, create_collection, get_collection
from app.store.db.database import Database
from app.store.db.statements import MAX_VALUES, fetch
from app.store.db.tables import VOCABULARY, CollectionRow, EntryRow
from app.store.word_import import import_words
from app.store.words import find_words, open_vocabulary
from tests.store.galleries import SPACE, vector

MANY = 2 * MAX_VALUES + 77
POLICY = {"unknown": "lowercase", "normalisation": "persian"}


@pytest.fixture
def words(database: Database) -> Database:
    """A vocabulary `words` of w0, w1, … and a gallery."""
    with database.write() as session:
        made = create_collection(session, "words", VOCABULARY, SPACE, POLICY)
        some = ((f"w{row}", vector(row)) for row in range(MANY))
        import_words(session, made, some, lambda _: None)
    return database


def test_columns_equal_those_of_the_orm(words: Database) -> None:
    with words.read() as session:
        orm = [tuple(row) for row in session.execute(COLLECTIONS.order_by(CollectionRow.row_id))]
        core = [
            tuple(row) for row in fetch(session, COLLECTIONS.order_by(CollectionRow.row_id), {})
        ]
    assert core == orm
    options = COLLECTIONS.selected_columns.keys().index("options")
    created_at = COLLECTIONS.selected_columns.keys().index("created_at")
    assert [row[options] for row in core] == [{}, POLICY]
    assert all(row[created_at].utcoffset() is not None for row in core), "times have a zone"


def test_pending_changes_of_the_session_are_flushed(words: Database) -> None:
    with words.write() as session:
        known = get_collection(session, "words")
        session.add(EntryRow(collection_id=known.row_id, name="fresh", rank=MANY + 1))
        names = select(EntryRow.name).where(EntryRow.rank > MANY)
        assert [row[0] for row in fetch(session, names, {})] == ["fresh"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, MAX_VALUES, MAX_VALUES + 1, MANY])
def test_any_number_of_words_is_found(words: Database, count: int) -> None:
    texts = [f"w{row}" for row in range(count)]
    asked = [*texts, *texts[:5], "nobody"]
    with words.read() as session:
        collection, found = open_vocabulary(session, "words", asked)
        again = find_words(session, collection, asked)
        assert collection == get_collection(session, "words")
    assert sorted(found) == sorted(texts) == sorted(again)
    for row, text in enumerate(texts):
        assert (found[text].text, found[text].rank) == (text, row + 1)
        np.testing.assert_array_equal(found[text].vector, vector(row))


@pytest.mark.parametrize("asked", [[], ["w1"]])
@pytest.mark.parametrize("name", ["people", "nothing"])
def test_a_gallery_is_not_a_vocabulary(words: Database, name: str, asked: list[str]) -> None:
    with words.read() as session, pytest.raises(VocabularyNotFound):
        open_vocabulary(session, name, asked)


def test_a_changed_collection_is_read_again(words: Database) -> None:
    with words.read() as session:
        before = get_collection(session, "words")
    with words.write() as session:
        import_words(session, before, [], lambda _: None)
    with words.read() as session:
        collection, _ = open_vocabulary(session, "words", ["w1"])
    assert collection.revision == before.revision + 1
