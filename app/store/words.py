"""Reads and writes the words of a vocabulary. Every function works inside the caller's session."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Select, and_, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from app.errors import VocabularyNotFound
from app.store.collections import (
    COLLECTIONS,
    Collection,
    change_size,
    get_collection,
    lock_collection,
    to_collection,
    write_journal,
)
from app.store.db.statements import MAX_VALUES, fetch, fetch_in_blocks
from app.store.db.tables import (
    REMOVE,
    UPSERT,
    VOCABULARY,
    CollectionRow,
    EntryRow,
    TemplateRow,
)
from app.store.db.vector_bytes import to_bytes, to_matrix
from app.vectors import Matrix, Vector

_WORDS = select(EntryRow.row_id, EntryRow.name, EntryRow.rank, TemplateRow.vector).join(
    TemplateRow, TemplateRow.entry_id == EntryRow.row_id
)
_NAMED = EntryRow.name.in_(bindparam("texts", expanding=True))
_BY_TEXTS = _WORDS.where(EntryRow.collection_id == bindparam("collection"), _NAMED)

# The vocabulary joined with each found word; a single row of nulls where no word is found.
_VOCABULARY_WITH_TEXTS = (
    COLLECTIONS.add_columns(EntryRow.row_id, EntryRow.name, EntryRow.rank, TemplateRow.vector)
    .outerjoin(EntryRow, and_(EntryRow.collection_id == CollectionRow.row_id, _NAMED))
    .outerjoin(TemplateRow, TemplateRow.entry_id == EntryRow.row_id)
    .where(CollectionRow.name == bindparam("vocabulary"), CollectionRow.kind == VOCABULARY)
)
_VECTORS_BY_ENTRY = select(TemplateRow.entry_id, TemplateRow.vector).where(
    TemplateRow.entry_id.in_(bindparam("entries", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its unit vector, shape (dimension,). `rank` counts from 1, by frequency;
    `row_id` is the database key of its entry."""

    row_id: int
    text: str
    rank: int
    vector: Vector


@dataclass(frozen=True, slots=True)
class WordTable:
    """Words as columns: n entry row ids, texts and ranks, and unit vectors (n, dimension)."""

    row_ids: list[int]
    texts: list[str]
    ranks: list[int]
    vectors: Matrix

    @classmethod
    def of(cls, words: Sequence[Word]) -> "WordTable":
        """The columns of at least one word, in the same order."""
        return cls(
            [word.row_id for word in words],
            [word.text for word in words],
            [word.rank for word in words],
            np.stack([word.vector for word in words]),
        )


def upsert_word(
    session: Session, collection: Collection, text: str, vector: Vector
) -> tuple[Word, bool]:
    """Set the unit vector of a word. Locks the vocabulary.

    Returns the word and whether it is new. A new word gets the last rank.
    """
    locked = lock_collection(session, collection)
    entry = session.scalar(_entry(locked, text))
    if entry is not None:
        template_row_id = session.scalar(
            update(TemplateRow)
            .where(TemplateRow.entry_id == entry.row_id)
            .values(vector=to_bytes(vector))
            .returning(TemplateRow.row_id)
        )
        assert template_row_id is not None, "a word has exactly one template"
        write_journal(session, locked, UPSERT, [template_row_id])
        return Word(entry.row_id, text, entry.rank or 0, vector), False
    rank = last_rank(session, locked) + 1
    entry = EntryRow(collection_id=locked.row_id, name=text, rank=rank)
    session.add(entry)
    session.flush()
    template = TemplateRow(
        collection_id=locked.row_id, entry_id=entry.row_id, vector=to_bytes(vector)
    )
    session.add(template)
    session.flush()
    write_journal(session, locked, UPSERT, [template.row_id])
    change_size(session, locked, 1)
    return Word(entry.row_id, text, entry.rank or 0, vector), True


def delete_word(session: Session, collection: Collection, text: str) -> bool:
    """Delete a word and its template. Returns False for an unknown word. Locks the vocabulary."""
    locked = lock_collection(session, collection)
    entry = session.scalar(_entry(locked, text))
    if entry is None:
        return False
    template_row_ids = list(
        session.scalars(
            delete(TemplateRow)
            .where(TemplateRow.entry_id == entry.row_id)
            .returning(TemplateRow.row_id)
        )
    )
    session.execute(delete(EntryRow).where(EntryRow.row_id == entry.row_id))
    write_journal(session, locked, REMOVE, template_row_ids)
    change_size(session, locked, -1)
    return True


def last_rank(session: Session, collection: Collection) -> int:
    """The highest rank of a word, which no other word of the vocabulary has; 0 without words."""
    query = select(func.max(EntryRow.rank)).where(EntryRow.collection_id == collection.row_id)
    return session.scalar(query) or 0


def _entry(collection: Collection, text: str) -> Select[EntryRow]:
    return select(EntryRow).where(
        EntryRow.collection_id == collection.row_id, EntryRow.name == text
    )


def find_words(session: Session, collection: Collection, texts: Sequence[str]) -> dict[str, Word]:
    """Those of `texts` that the vocabulary contains, by text."""
    unique = list(dict.fromkeys(texts))
    rows = fetch_in_blocks(session, _BY_TEXTS, "texts", unique, {"collection": collection.row_id})
    return {
        text: _word(collection, row_id, text, rank, vector) for row_id, text, rank, vector in rows
    }


def open_vocabulary(
    session: Session, name: str, texts: Sequence[str]
) -> tuple[Collection, dict[str, Word]]:
    """`get_collection` and `find_words` in one statement. Raises VocabularyNotFound."""
    unique = list(dict.fromkeys(texts))
    first, others = unique[:MAX_VALUES], unique[MAX_VALUES:]
    if not first:
        return get_collection(session, name, VOCABULARY), {}
    rows = fetch(session, _VOCABULARY_WITH_TEXTS, {"vocabulary": name, "texts": first})
    if not rows:
        raise VocabularyNotFound(f"there is no vocabulary named {name!r}")
    collection = to_collection(rows[0][:-4])
    words = [row[-4:] for row in rows if row[-1] is not None]
    found = {
        text: _word(collection, row_id, text, rank, vector) for row_id, text, rank, vector in words
    }
    return collection, found | find_words(session, collection, others)


def _word(collection: Collection, row_id: int, text: str, rank: int | None, vector: bytes) -> Word:
    return Word(row_id, text, rank or 0, to_matrix([vector], collection.space.dimension)[0])


def word_vectors(
    session: Session, collection: Collection, row_ids: Sequence[int]
) -> dict[int, Vector]:
    """Unit vectors by the row ids of their words; deleted words are absent."""
    rows = list(fetch_in_blocks(session, _VECTORS_BY_ENTRY, "entries", row_ids))
    vectors = to_matrix([vector for _, vector in rows], collection.space.dimension)
    return {row_id: vector for (row_id, _), vector in zip(rows, vectors, strict=True)}


def frequent_words(
    session: Session,
    collection: Collection,
    max_rank: int,
    after_rank: int = 0,
    limit: int | None = None,
) -> WordTable:
    """The words up to `max_rank`, most frequent first.

    With `after_rank`, those behind this rank; with `limit`, at most so many.
    """
    query = (
        _WORDS.where(
            EntryRow.collection_id == collection.row_id,
            EntryRow.rank > after_rank,
            EntryRow.rank <= max_rank,
        )
        .order_by(EntryRow.rank)
        .limit(limit)
    )
    rows = session.execute(query).all()
    return WordTable(
        [row.row_id for row in rows],
        [row.name for row in rows],
        [row.rank or 0 for row in rows],
        to_matrix([row.vector for row in rows], collection.space.dimension),
    )


def words_with_prefix(
    session: Session, collection: Collection, prefix: str, max_rank: int, limit: int
) -> list[tuple[str, int]]:
    """At most `limit` words up to `max_rank` that begin with `prefix`, with their ranks, most
    frequent first. They are compared as they are stored, whatever the collation of the database."""
    query = (
        select(EntryRow.name, EntryRow.rank)
        .where(
            EntryRow.collection_id == collection.row_id,
            EntryRow.rank <= max_rank,
            func.substr(EntryRow.name, 1, len(prefix)) == prefix,
        )
        .order_by(EntryRow.rank)
        .limit(limit)
    )
    return [(name, rank or 0) for name, rank in session.execute(query)]


def frequent_texts(session: Session, collection: Collection, max_rank: int) -> list[str]:
    """The texts, without vectors, of the words up to `max_rank`, most frequent first."""
    query = (
        select(EntryRow.name)
        .where(EntryRow.collection_id == collection.row_id, EntryRow.rank <= max_rank)
        .order_by(EntryRow.rank)
    )
    return list(session.scalars(query))
