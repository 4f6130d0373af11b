"""Nearest people and nearest words: index search, joined with the entries of the templates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.db.statements import fetch_in_blocks
from app.store.db.tables import CollectionRow, EntryRow, TemplateRow
from app.store.index_sync import IndexSync
from app.store.people import PERSON_COLUMNS, Person, to_person
from app.vectors import Matrix, Neighbor

_Row = Sequence[Any]
"""The row_id of a template, the row_id of its entry, and further columns."""

_BY_ROW_ID = TemplateRow.row_id.in_(bindparam("row_ids", expanding=True))
_PEOPLE: Select[*tuple[Any, ...]] = (
    select(TemplateRow.row_id, EntryRow.row_id, TemplateRow.template_id, *PERSON_COLUMNS)
    .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
    .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
    .where(_BY_ROW_ID)
)
_WORDS: Select[*tuple[Any, ...]] = (
    select(TemplateRow.row_id, EntryRow.row_id, EntryRow.name, EntryRow.rank)
    .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
    .where(_BY_ROW_ID)
)


@dataclass(frozen=True, slots=True)
class NearestPerson:
    """A person with the template most similar to a probe; `similarity` is the cosine."""

    similarity: float
    template_id: str
    person: Person


@dataclass(frozen=True, slots=True)
class NearestWord:
    """A word near a probe, with the row_id of its entry.

    `similarity` is the cosine, `rank` counts from 1 by frequency.
    """

    row_id: int
    similarity: float
    text: str
    rank: int


def nearest_people(
    session: Session, index_sync: IndexSync, gallery: Collection, probes: Matrix, k: int
) -> list[list[NearestPerson]]:
    """Returns for each probe the `k` nearest people, most similar first.

    `probes` are unit vectors, shape (n, dimension). Raises DecryptionFailed.
    """
    return [
        [
            NearestPerson(similarity, row[2], to_person(session, row[3:]))
            for similarity, row in nearest
        ]
        for nearest in _nearest(session, index_sync, gallery, probes, k, _PEOPLE)
    ]


def nearest_words(
    session: Session, index_sync: IndexSync, vocabulary: Collection, probes: Matrix, k: int
) -> list[list[NearestWord]]:
    """Returns for each probe the `k` nearest words, most similar first.

    `probes` are unit vectors, shape (n, dimension).
    """
    return [
        [NearestWord(row[1], similarity, row[2], row[3]) for similarity, row in nearest]
        for nearest in _nearest(session, index_sync, vocabulary, probes, k, _WORDS)
    ]


def _nearest(
    session: Session,
    index_sync: IndexSync,
    collection: Collection,
    probes: Matrix,
    k: int,
    statement: Select[*tuple[Any, ...]],
) -> list[list[tuple[float, _Row]]]:
    """Returns for each probe the similarities and rows of the `k` nearest entries.

    With at most m templates per entry, the nearest (k - 1) m + 1 templates belong to at least k
    entries. Where this number is large, a smaller request usually suffices and is tried first. More
    is needed only if the index contains templates that this session cannot see.
    """
    sufficient = (k - 1) * collection.largest_support_set + 1
    count = min(sufficient, 4 * k)
    while True:
        found = index_sync.search(session, collection, probes, count)
        row_ids = sorted({neighbor.row_id for neighbors in found for neighbor in neighbors})
        joined = fetch_in_blocks(session, statement, "row_ids", row_ids)
        rows = {row[0]: row for row in joined}
        nearest = [list(_first_per_entry(neighbors, rows))[:k] for neighbors in found]
        complete = (
            len(entries) == k or len(neighbors) < count
            for entries, neighbors in zip(nearest, found, strict=True)
        )
        if all(complete):
            return nearest
        count = sufficient if count < sufficient else 4 * count


def _first_per_entry(
    neighbors: Sequence[Neighbor], rows: Mapping[int, _Row]
) -> Iterator[tuple[float, _Row]]:
    """Yields the most similar template of each entry; skips templates without a row."""
    seen: set[int] = set()
    for row_id, similarity in neighbors:
        row = rows.get(row_id)
        if row is not None and row[1] not in seen:
            seen.add(row[1])
            yield similarity, row
