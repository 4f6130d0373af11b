"""Words of a vocabulary. Every function works inside the caller's session."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, cast

from sqlalchemy import Select, Table, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.errors import VocabularyNotFound
from app.store.collections import (
    COLLECTIONS,
    Collection,
    get_collection,
    lock_collection,
    to_collection,
    write_journal,
)
from app.store.db.compiled import MOST_VALUES, fetch_among, slots
from app.store.db.tables import (
    REBUILD,
    REMOVE,
    UPSERT,
    VOCABULARY,
    CollectionRow,
    EntryRow,
    TemplateRow,
    now,
)
from app.store.db.vector_bytes import to_bytes, to_matrix
from app.vectors import Matrix, Vector

_CHUNK = WORDS_A_BLOCK = 10_000
_WORDS = select(EntryRow.name, EntryRow.rank, TemplateRow.vector).join(
    TemplateRow, TemplateRow.entry_id == EntryRow.row_id
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its unit vector, shape (dimension,). `rank` counts from 1, by frequency."""

    text: str
    rank: int
    vector: Vector


def import_words(
    session: Session,
    collection: Collection,
    words: Iterable[tuple[str, Vector]],
    progress: Callable[[int], None],
) -> int:
    """Fill an empty vocabulary; `words` come by falling frequency, with unit vectors.

    One `rebuild` row stands for all of them in the journal. Returns how many there were.
    """
    stream: Iterator[tuple[str, Vector]] = iter(words)
    rank = 0
    while chunk := list(islice(stream, WORDS_A_BLOCK)):
        append_words(session, collection, chunk, rank)
        rank += len(chunk)
        progress(len(chunk))
    write_journal(session, collection, REBUILD, [None], new_entries=rank)
    return rank


def append_words(
    session: Session, collection: Collection, words: Sequence[tuple[str, Vector]], last_rank: int
) -> None:
    """Add words behind the rank `last_rank`, with unit vectors; the journal is the caller's."""
    moment = now()
    session.execute(
        insert(cast(Table, EntryRow.__table__)),
        [
            {
                "collection_id": collection.row_id,
                "name": word,
                "rank": last_rank + i,
                "metadata": {},
                "created_at": moment,
            }
            for i, (word, _) in enumerate(words, start=1)
        ],
    )
    # Asking for the new ids by rank is several times faster than RETURNING them row by row.
    ids = session.scalars(
        select(EntryRow.row_id)
        .where(EntryRow.collection_id == collection.row_id, EntryRow.rank > last_rank)
        .order_by(EntryRow.rank)
    )
    session.execute(
        insert(cast(Table, TemplateRow.__table__)),
        [
            {
                "collection_id": collection.row_id,
                "entry_id": entry,
                "vector": to_bytes(vector),
                "created_at": moment,
            }
            for entry, (_, vector) in zip(ids, words, strict=True)
        ],
    )


def upsert_word(
    session: Session, collection: Collection, text: str, vector: Vector
) -> tuple[Word, bool]:
    """Set a word's unit vector; True where it is new, and then the rarest. Locks the vocabulary."""
    locked = lock_collection(session, collection)
    entry = session.scalar(_entry(locked, text))
    if entry is not None:
        template = session.scalar(
            update(TemplateRow)
            .where(TemplateRow.entry_id == entry.row_id)
            .values(vector=to_bytes(vector))
            .returning(TemplateRow.row_id)
        )
        assert template is not None, "a word has exactly one template"
        write_journal(session, locked, UPSERT, [template])
        return Word(text, entry.rank or 0, vector), False
    last = session.scalar(
        select(func.max(EntryRow.rank)).where(EntryRow.collection_id == locked.row_id)
    )
    entry = EntryRow(collection_id=locked.row_id, name=text, rank=(last or 0) + 1)
    session.add(entry)
    session.flush()
    row = TemplateRow(collection_id=locked.row_id, entry_id=entry.row_id, vector=to_bytes(vector))
    session.add(row)
    session.flush()
    write_journal(session, locked, UPSERT, [row.row_id], new_entries=1)
    return Word(text, entry.rank or 0, vector), True


def remove_word(session: Session, collection: Collection, text: str) -> bool:
    """Forget a word; False where there is none. Locks the vocabulary."""
    locked = lock_collection(session, collection)
    entry = session.scalar(_entry(locked, text))
    if entry is None:
        return False
    ids = list(
        session.scalars(
            delete(TemplateRow)
            .where(TemplateRow.entry_id == entry.row_id)
            .returning(TemplateRow.row_id)
        )
    )
    session.execute(delete(EntryRow).where(EntryRow.row_id == entry.row_id))
    write_journal(session, locked, REMOVE, ids, new_entries=-1)
    return True


def every_word(session: Session, collection: Collection) -> Iterator[tuple[str, Vector]]:
    """All words with their unit vectors, most frequent first, a chunk at a time."""
    query = (
        _WORDS.where(EntryRow.collection_id == collection.row_id)
        .order_by(EntryRow.rank)
        .execution_options(yield_per=_CHUNK)
    )
    for rows in session.execute(query).partitions(_CHUNK):
        vectors = to_matrix([row.vector for row in rows], collection.space.dimension)
        yield from zip((row.name for row in rows), vectors, strict=True)


def _entry(collection: Collection, text: str) -> Select[EntryRow]:
    return select(EntryRow).where(
        EntryRow.collection_id == collection.row_id, EntryRow.name == text
    )


def find_words(session: Session, collection: Collection, texts: Sequence[str]) -> dict[str, Word]:
    """Those of `texts` that the vocabulary holds, by text."""
    unique = list(dict.fromkeys(texts))
    rows = fetch_among(session, _by_texts, unique, {"collection": collection.row_id})
    return {name: _word(collection, name, rank, vector) for name, rank, vector in rows}


def open_vocabulary(
    session: Session, name: str, texts: Sequence[str]
) -> tuple[Collection, dict[str, Word]]:
    """`get_collection` and `find_words` at once. Raises VocabularyNotFound."""
    unique = list(dict.fromkeys(texts))
    first, others = unique[:MOST_VALUES], unique[MOST_VALUES:]
    if not first:
        return get_collection(session, name, VOCABULARY), {}
    rows = list(fetch_among(session, _with_texts, first, {"vocabulary": name}))
    if not rows:
        raise VocabularyNotFound(f"there is no vocabulary named {name!r}")
    collection = to_collection(rows[0][:-3])
    words = [row[-3:] for row in rows if row[-1] is not None]
    found = {text: _word(collection, text, rank, vector) for text, rank, vector in words}
    return collection, found | find_words(session, collection, others)


def _word(collection: Collection, text: str, rank: int | None, vector: bytes) -> Word:
    return Word(text, rank or 0, to_matrix([vector], collection.space.dimension)[0])


@cache
def _by_texts(size: int) -> Select[str, int | None, bytes]:
    return _WORDS.where(
        EntryRow.collection_id == bindparam("collection"), EntryRow.name.in_(slots(size))
    )


@cache
def _with_texts(size: int) -> Select[*tuple[Any, ...]]:
    """A vocabulary beside each of the words that it holds, or once beside nothing."""
    named = and_(EntryRow.collection_id == CollectionRow.row_id, EntryRow.name.in_(slots(size)))
    return (
        COLLECTIONS.add_columns(EntryRow.name, EntryRow.rank, TemplateRow.vector)
        .outerjoin(EntryRow, named)
        .outerjoin(TemplateRow, TemplateRow.entry_id == EntryRow.row_id)
        .where(CollectionRow.name == bindparam("vocabulary"), CollectionRow.kind == VOCABULARY)
    )


def frequent_words(
    session: Session, collection: Collection, max_rank: int
) -> tuple[list[str], list[int], Matrix]:
    """Texts, ranks and vectors of the words up to `max_rank`, most frequent first."""
    query = _WORDS.where(
        EntryRow.collection_id == collection.row_id, EntryRow.rank <= max_rank
    ).order_by(EntryRow.rank)
    rows = session.execute(query).all()
    vectors = to_matrix([row.vector for row in rows], collection.space.dimension)
    return [row.name for row in rows], [row.rank or 0 for row in rows], vectors


def frequent_texts(session: Session, collection: Collection, max_rank: int) -> list[str]:
    """Only the texts of the words up to `max_rank`, most frequent first."""
    query = (
        select(EntryRow.name)
        .where(EntryRow.collection_id == collection.row_id, EntryRow.rank <= max_rank)
        .order_by(EntryRow.rank)
    )
    return list(session.scalars(query))
