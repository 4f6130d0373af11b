"""Nearest people and nearest words: index search, joined with the entries of the templates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.db.encryption import decrypt_vectors
from app.store.db.statements import fetch_in_blocks
from app.store.db.tables import CollectionRow, EntryRow, TemplateRow
from app.store.index_sync import IndexSync
from app.store.people import PERSON_COLUMNS, Person, to_person
from app.store.rejections import RejectedFaces, rejected_faces
from app.vectors import SCORE_TOLERANCE, Matrix, Vector, l2_normalize

Corrections: TypeAlias = Callable[[Matrix], NDArray[np.float32]]
"""What each of n templates, shape (n, dimension), takes off a comparison score; shape (n,)."""

_Row = Sequence[Any]
"""The row_id of a template, the row_id of its entry, and further columns."""

_PERSON = slice(1, 1 + len(PERSON_COLUMNS))
_TEMPLATE_ID, _PUBLIC_ID, _VECTOR = (_PERSON.stop + n for n in range(3))
"""Columns of a row of _TEMPLATES; _OWNERS has all but the last two."""

_RERANKED = 15  # people beyond the requested ones who may have a better score than cosine

_BY_ROW_ID = TemplateRow.row_id.in_(bindparam("row_ids", expanding=True))
_OWNERS: Select[*tuple[Any, ...]] = (
    select(TemplateRow.row_id, *PERSON_COLUMNS, TemplateRow.template_id)
    .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
    .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
    .where(_BY_ROW_ID)
)
_TEMPLATES: Select[*tuple[Any, ...]] = _OWNERS.add_columns(
    TemplateRow.public_id, TemplateRow.vector
)
_SUPPORT_SETS: Select[*tuple[Any, ...]] = (
    select(TemplateRow.entry_id, TemplateRow.public_id, TemplateRow.vector)
    .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
    .where(
        TemplateRow.entry_id.in_(bindparam("row_ids", expanding=True)),
        TemplateRow.collection_id == EntryRow.collection_id,  # not those of a shadow collection
    )
)
_WORDS: Select[*tuple[Any, ...]] = (
    select(TemplateRow.row_id, EntryRow.row_id, EntryRow.name, EntryRow.rank)
    .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
    .where(_BY_ROW_ID)
)


@dataclass(frozen=True, slots=True)
class NearestPerson:
    """A person of the gallery near a probe.

    `similarity` is the cosine to the best template, or to the mean of the support set if its score
    is higher; `correction` is what that vector takes off the score. `template_id` is the best
    template.
    """

    similarity: float
    correction: float
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
    session: Session,
    index_sync: IndexSync,
    gallery: Collection,
    probes: Matrix,
    k: int,
    corrections: Corrections | None,
) -> list[list[NearestPerson]]:
    """Returns for each probe the `k` best people, by similarity less correction, if any.

    People of whom a rejected face has at least the score of the person are left out. The index
    ranks templates by similarity. Where corrections or the means of support sets may change the
    order, or people are left out, more than `k` people are fetched and ranked again. `probes` are
    unit vectors, shape (n, dimension). Raises DecryptionFailed.
    """
    if not len(probes):
        return []
    reranked = _RERANKED if corrections or gallery.largest_support_set > 1 else 0
    ranked, complete = _ranked(session, index_sync, gallery, probes, k + reranked, corrections)
    if not complete and not reranked:
        ranked, _ = _ranked(session, index_sync, gallery, probes, k + _RERANKED, corrections)
    return [
        [
            NearestPerson(
                best.similarity,
                best.correction,
                best.row[_TEMPLATE_ID],
                to_person(session, best.row[_PERSON]),
            )
            for best in candidates[:k]
        ]
        for candidates in ranked
    ]


@dataclass(frozen=True, slots=True)
class _Candidate:
    row: _Row
    similarity: float
    correction: float

    @property
    def score(self) -> float:
        return self.similarity - self.correction


@dataclass(frozen=True, slots=True)
class _Mean:
    vector: Vector
    correction: float


def _ranked(
    session: Session,
    index_sync: IndexSync,
    gallery: Collection,
    probes: Matrix,
    count: int,
    corrections: Corrections | None,
) -> tuple[list[list[_Candidate]], bool]:
    """Returns for each probe the candidates among the `count` nearest people, best first, and
    whether they are complete: nobody had to be left out."""
    statement = _TEMPLATES if corrections else _OWNERS
    found = _nearest(session, index_sync, gallery, probes, count, statement)
    correction = _corrections(session, gallery, found, corrections)
    entries = {row[1] for templates in found for _, row in templates}
    means = _means(session, gallery, entries, corrections)
    ranked = [
        _rank(probe, templates, correction, means)
        for probe, templates in zip(probes, found, strict=True)
    ]
    rejected = rejected_faces(session, gallery, sorted(entries), corrections)
    if not rejected:
        return ranked, True
    accepted = [
        _accepted(probe, candidates, rejected)
        for probe, candidates in zip(probes, ranked, strict=True)
    ]
    return accepted, [len(one) for one in accepted] == [len(one) for one in ranked]


def _corrections(
    session: Session,
    gallery: Collection,
    found: Sequence[Sequence[tuple[float, _Row]]],
    corrections: Corrections | None,
) -> dict[int, float]:
    """Returns the correction of each template found, by row_id."""
    rows = {row[0]: row for templates in found for _, row in templates}
    if corrections is None:
        return dict.fromkeys(rows, 0.0)
    stored = [(row[_PUBLIC_ID], row[_VECTOR]) for row in rows.values()]
    vectors = decrypt_vectors(session, stored, gallery.space.dimension)
    return dict(zip(rows, corrections(vectors).tolist(), strict=True))


def _rank(
    probe: Vector,
    templates: Sequence[tuple[float, _Row]],
    correction: Mapping[int, float],
    means: Mapping[int, _Mean],
) -> list[_Candidate]:
    """Returns one candidate per entry, best score first."""
    best = sorted(templates, key=lambda template: correction[template[1][0]] - template[0])
    candidates = []
    for similarity, row in _first_per_entry(best):
        candidate = _Candidate(row, similarity, correction[row[0]])
        mean = means.get(row[1])
        if mean is not None:
            to_mean = float(probe @ mean.vector)
            other = _Candidate(row, to_mean, mean.correction)
            candidate = max(candidate, other, key=lambda one: one.score)
        candidates.append(candidate)
    return sorted(candidates, key=lambda one: -one.score)


def _means(
    session: Session, gallery: Collection, entries: set[int], corrections: Corrections | None
) -> dict[int, _Mean]:
    """Returns the mean of each support set of two or more templates, by entry."""
    if gallery.largest_support_set < 2 or not entries:
        return {}
    rows = list(fetch_in_blocks(session, _SUPPORT_SETS, "row_ids", sorted(entries)))
    stored = [(public_id, vector) for _, public_id, vector in rows]
    vectors = decrypt_vectors(session, stored, gallery.space.dimension)
    owners = np.array([row[0] for row in rows], dtype=np.int64)
    several = [int(entry) for entry in np.unique(owners) if (owners == entry).sum() > 1]
    if not several:
        return {}
    means = l2_normalize(np.stack([vectors[owners == entry].mean(axis=0) for entry in several]))
    taken_off = corrections(means).tolist() if corrections else [0.0] * len(several)
    found = zip(several, means, taken_off, strict=True)
    return {entry: _Mean(mean, correction) for entry, mean, correction in found}


def _accepted(
    probe: Vector, candidates: Sequence[_Candidate], rejected: Mapping[int, RejectedFaces]
) -> list[_Candidate]:
    """The candidates without those of whom a rejected face has at least their score."""
    return [
        one
        for one in candidates
        if one.row[1] not in rejected
        or one.score >= rejected[one.row[1]].score(probe) + SCORE_TOLERANCE
    ]


def nearest_words(
    session: Session, index_sync: IndexSync, vocabulary: Collection, probes: Matrix, k: int
) -> list[list[NearestWord]]:
    """Returns for each probe the `k` nearest words, most similar first.

    `probes` are unit vectors, shape (n, dimension).
    """
    return [
        [
            NearestWord(row[1], similarity, row[2], row[3])
            for similarity, row in islice(_first_per_entry(templates), k)
        ]
        for templates in _nearest(session, index_sync, vocabulary, probes, k, _WORDS)
    ]


def _nearest(
    session: Session,
    index_sync: IndexSync,
    collection: Collection,
    probes: Matrix,
    k: int,
    statement: Select[*tuple[Any, ...]],
) -> list[list[tuple[float, _Row]]]:
    """Returns for each probe similarities and rows of templates that belong to at least `k`
    entries, or to all of them; most similar first.

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
        nearest: list[list[tuple[float, _Row]]] = [
            [(similarity, rows[row_id]) for row_id, similarity in neighbors if row_id in rows]
            for neighbors in found
        ]
        complete = (
            len({row[1] for _, row in templates}) >= k or len(neighbors) < count
            for templates, neighbors in zip(nearest, found, strict=True)
        )
        if all(complete):
            return nearest
        count = sufficient if count < sufficient else 4 * count


def _first_per_entry(templates: Sequence[tuple[float, _Row]]) -> Iterator[tuple[float, _Row]]:
    """Yields the first template of each entry."""
    seen: set[int] = set()
    for similarity, row in templates:
        if row[1] not in seen:
            seen.add(row[1])
            yield similarity, row
