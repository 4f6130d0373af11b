"""Finds the words nearest to a query, by 3CosAdd or 3CosMul, under filters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.index_sync import IndexSync
from app.store.search import nearest_words
from app.store.words import WordTable, frequent_words, word_vectors
from app.vectors import Vector
from app.words.analogies import Query, cos_mul
from app.words.lookup import look_up

Method = Literal["3cosadd", "3cosmul"]

_EXHAUSTIVE_RANK = 50_000  # up to this `max_rank` all words are compared without the index
_COS_MUL_CANDIDATES = 2_000  # best words by 3CosAdd that 3CosMul scores


@dataclass(frozen=True, slots=True)
class WordNeighbor:
    """A word with its cosine similarity to the query; `score` is the 3CosMul score, if used."""

    word: str
    similarity: float
    rank: int
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """The number of words to return, and which words are eligible."""

    k: int
    min_similarity: float | None = None
    max_rank: int | None = None
    within: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    row_id: int
    word: str
    rank: int
    similarity: float


class NeighborSearch:
    """One search in one vocabulary. `hidden` are spellings that are never returned."""

    def __init__(
        self,
        session: Session,
        index_sync: IndexSync,
        collection: Collection,
        filters: Filters,
        hidden: set[str],
    ) -> None:
        self._session, self._index_sync = session, index_sync
        self._collection, self._filters, self._hidden = collection, filters, hidden

    def nearest(self, query: Query, method: Method) -> list[WordNeighbor]:
        """The nearest words, best first. 3CosMul scores the best 2,000 words by 3CosAdd."""
        direction = query.direction()
        if method == "3cosadd":
            found = self._candidates(direction, self._filters.k)
            return [WordNeighbor(c.word, c.similarity, c.rank) for c in found]
        found = self._candidates(direction, _COS_MUL_CANDIDATES)
        return self._by_cos_mul(query, found)[: self._filters.k]

    def _by_cos_mul(self, query: Query, candidates: list[_Candidate]) -> list[WordNeighbor]:
        row_ids = [candidate.row_id for candidate in candidates]
        vectors = word_vectors(self._session, self._collection, row_ids)
        present = [candidate for candidate in candidates if candidate.row_id in vectors]
        if not present:
            return []
        scores = cos_mul(query, np.stack([vectors[candidate.row_id] for candidate in present]))
        neighbors = [
            WordNeighbor(candidate.word, candidate.similarity, candidate.rank, float(score))
            for candidate, score in zip(present, scores, strict=True)
        ]
        return [neighbors[row] for row in np.argsort(-scores, kind="stable")]

    def _candidates(self, direction: Vector, k: int) -> list[_Candidate]:
        """The k most similar eligible words, most similar first."""
        filters = self._filters
        if filters.within is not None:
            words = look_up(self._session, self._collection, filters.within).known
            found = _compare(direction, WordTable.of(words))
        elif filters.max_rank is not None and filters.max_rank <= _EXHAUSTIVE_RANK:
            table = frequent_words(self._session, self._collection, filters.max_rank)
            found = _compare(direction, table)
        else:
            return self._search_index(direction, k)
        return self._eligible(found)[:k]

    def _search_index(self, direction: Vector, k: int) -> list[_Candidate]:
        """Search the index with a growing limit until k of the results are eligible."""
        limit = k + len(self._hidden)
        floor = self._filters.min_similarity
        while True:
            [words] = nearest_words(
                self._session, self._index_sync, self._collection, direction[None], limit
            )
            found = [_Candidate(w.row_id, w.text, w.rank, w.similarity) for w in words]
            eligible = self._eligible(found)
            below_floor = floor is not None and bool(found) and found[-1].similarity < floor
            if len(eligible) >= k or below_floor or len(found) < limit:
                return eligible[:k]
            limit *= 4

    def _eligible(self, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        max_rank, floor = self._filters.max_rank, self._filters.min_similarity
        return [
            candidate
            for candidate in candidates
            if candidate.word not in self._hidden
            and (max_rank is None or candidate.rank <= max_rank)
            and (floor is None or candidate.similarity >= floor)
        ]


def _compare(direction: Vector, words: WordTable) -> list[_Candidate]:
    """All words of the table, most similar first."""
    similarities = np.clip(words.vectors @ direction, -1, 1)
    return [
        _Candidate(words.row_ids[row], words.texts[row], words.ranks[row], float(similarities[row]))
        for row in np.argsort(-similarities, kind="stable")
    ]
