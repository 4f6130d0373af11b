"""Words of a vocabulary. Every function works inside the caller's session."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

from sqlalchemy import Table, bindparam, insert, select
from sqlalchemy.orm import Session

from app.store.collections import Collection, write_journal
from app.store.tables import REBUILD, EntryRow, TemplateRow, now
from app.store.vectors import to_bytes, to_matrix
from app.vectors import Matrix, Vector

_CHUNK = 10_000
_MOST_PARAMETERS = 500
_WORDS = select(EntryRow.name, EntryRow.rank, TemplateRow.vector).join(
    TemplateRow, TemplateRow.entry_id == EntryRow.id
)
_BY_TEXTS = _WORDS.where(
    EntryRow.collection_id == bindparam("collection"),
    EntryRow.name.in_(bindparam("texts", expanding=True)),
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
    while chunk := list(islice(stream, _CHUNK)):
        moment = now()
        session.execute(
            insert(cast(Table, EntryRow.__table__)),
            [
                {
                    "collection_id": collection.id,
                    "name": word,
                    "rank": rank + i,
                    "metadata": {},
                    "created_at": moment,
                }
                for i, (word, _) in enumerate(chunk, start=1)
            ],
        )
        # Asking for the new ids by rank is several times faster than RETURNING them row by row.
        ids = session.scalars(
            select(EntryRow.id)
            .where(EntryRow.collection_id == collection.id, EntryRow.rank > rank)
            .order_by(EntryRow.rank)
        )
        session.execute(
            insert(cast(Table, TemplateRow.__table__)),
            [
                {
                    "collection_id": collection.id,
                    "entry_id": entry,
                    "vector": to_bytes(vector),
                    "created_at": moment,
                }
                for entry, (_, vector) in zip(ids, chunk, strict=True)
            ],
        )
        rank += len(chunk)
        progress(len(chunk))
    write_journal(session, collection, REBUILD, [None], new_entries=rank)
    return rank


def find_words(session: Session, collection: Collection, texts: Sequence[str]) -> dict[str, Word]:
    """Those of `texts` that the vocabulary holds, by text."""
    found: dict[str, Word] = {}
    unique = list(dict.fromkeys(texts))
    for start in range(0, len(unique), _MOST_PARAMETERS):
        some = {"collection": collection.id, "texts": unique[start : start + _MOST_PARAMETERS]}
        for name, rank, vector in session.execute(_BY_TEXTS, some):
            row = to_matrix([vector], collection.space.dimension)[0]
            found[name] = Word(name, rank or 0, row)
    return found


def frequent_words(
    session: Session, collection: Collection, max_rank: int
) -> tuple[list[str], list[int], Matrix]:
    """Texts, ranks and vectors of the words up to `max_rank`, most frequent first."""
    query = _WORDS.where(
        EntryRow.collection_id == collection.id, EntryRow.rank <= max_rank
    ).order_by(EntryRow.rank)
    rows = session.execute(query).all()
    vectors = to_matrix([row.vector for row in rows], collection.space.dimension)
    return [row.name for row in rows], [row.rank or 0 for row in rows], vectors


def frequent_texts(session: Session, collection: Collection, max_rank: int) -> list[str]:
    """Only the texts of the words up to `max_rank`, most frequent first."""
    query = (
        select(EntryRow.name)
        .where(EntryRow.collection_id == collection.id, EntryRow.rank <= max_rank)
        .order_by(EntryRow.rank)
    )
    return list(session.scalars(query))
