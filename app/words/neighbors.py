"""Words as vectors: look up, neighbors, analogies, the odd one out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from sqlalchemy.orm import Session

from app.errors import InvalidRequest
from app.store.collections import Collection, get_collection, list_collections
from app.store.db.database import Database
from app.store.db.tables import VOCABULARY
from app.store.index_sync import IndexSync
from app.store.search import nearest_entries
from app.store.words import Word, find_words, frequent_words
from app.vectors import Matrix, Vector, l2_normalize
from app.words.analogies import Query, cos_mul
from app.words.lookup import Canonical, Lookup, look_up, look_up_in
from app.words.mean_vectors import TextVector, embed_texts
from app.words.policies import WordPolicy

_SMALL_RANK = 50_000  # up to here the words themselves are compared, beyond it the index helps
_MUL_CANDIDATES = 2_000
_LEAST_OF_ALL = 3  # words among which one can be the odd one


@dataclass(frozen=True, slots=True)
class WordNeighbor:
    """`similarity` is the cosine; `score` what the answers are sorted by, where it differs."""

    word: str
    similarity: float
    rank: int
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A term of a query: a word or a raw vector, with its weight."""

    word: str | None
    vector: tuple[float, ...] | None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Filters:
    """Which words may answer, and how many of them do."""

    k: int
    min_similarity: float | None = None
    max_rank: int | None = None
    within: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NearWords:
    """The answer, best first, and what the words of the question were taken for."""

    neighbors: list[WordNeighbor]
    canonical: Canonical


@dataclass(frozen=True, slots=True)
class OddOneOut:
    """`similarities` to the mean of all, in the order asked; None for skipped words."""

    word: str
    similarities: list[float | None]
    canonical: Canonical


class Vocabularies:
    """Every vocabulary of the store, behind names."""

    def __init__(self, database: Database, index_sync: IndexSync) -> None:
        self._database, self._index_sync = database, index_sync

    def names(self) -> list[Collection]:
        """All vocabularies, by name."""
        with self._database.read() as session:
            return list_collections(session, VOCABULARY)

    def get(self, name: str) -> Collection:
        """One vocabulary. Raises VocabularyNotFound."""
        with self._database.read() as session:
            return get_collection(session, name, VOCABULARY)

    def lookup(self, word: str, vocabulary: str) -> Word:
        """A word with its vector. Raises WordNotFound with suggestions."""
        with self._database.read() as session:
            return look_up_in(session, vocabulary, [word])[1].known[0]

    def texts(self, texts: Sequence[str], vocabulary: str) -> list[TextVector]:
        """A unit vector for every text. Raises WordNotFound where no word of one is known."""
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            return embed_texts(session, collection, list(texts))

    def everything(self, vocabulary: str) -> tuple[list[str], Matrix]:
        """All words, most frequent first, and their unit vectors, shape (words, dimension)."""
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            texts, _, vectors = frequent_words(session, collection, 2**31 - 1)
            return texts, vectors

    def nearest(
        self,
        positive: Sequence[Item],
        negative: Sequence[Item],
        method: Literal["3cosadd", "3cosmul"],
        filters: Filters,
        vocabulary: str,
    ) -> NearWords:
        """Words near a weighted sum of words and vectors; the words asked with never answer.

        3CosAdd: Mikolov et al. 2013; 3CosMul: Levy & Goldberg 2014, over the best 2,000
        candidates of 3CosAdd.
        """
        with self._database.read() as session:
            asked = [item.word for item in (*positive, *negative) if item.word is not None]
            collection, words = look_up_in(session, vocabulary, asked)
            query = _query(collection, positive, negative, words)
            direction = query.direction()
            if not direction.any():
                raise InvalidRequest("positive", "the terms cancel each other out")
            policy = WordPolicy.of(collection.options)
            # Under any of its spellings a word that was asked with is no answer.
            named = [*asked, *filters.exclude]
            hidden = {form for word in named for form in policy.spellings(word)}
            if method == "3cosadd":
                found = self._near(session, collection, direction, filters, hidden)
                return NearWords(found, words.canonical)
            wide = replace(filters, k=_MUL_CANDIDATES)
            found = self._near(session, collection, direction, wide, hidden)
            found = _by_cos_mul(session, collection, query, found)[: filters.k]
            return NearWords(found, words.canonical)

    def similarities(
        self, pairs: Sequence[tuple[str, str]], vocabulary: str
    ) -> tuple[list[float | None], Canonical]:
        """Cosine of each pair; None where a word of it was skipped."""
        words = self._look_up([word for pair in pairs for word in pair], vocabulary)
        vectors = words.vectors()
        return _cosines((vectors[::2] * vectors[1::2]).sum(axis=1)), words.canonical

    def matrix(
        self, asked: Sequence[str], vocabulary: str
    ) -> tuple[list[list[float | None]], Canonical]:
        """Cosine of everything with everything, n rows of n; None where a word was skipped."""
        words = self._look_up(asked, vocabulary)
        vectors = words.vectors()
        return [_cosines(row) for row in vectors @ vectors.T], words.canonical

    def odd_one_out(self, asked: Sequence[str], vocabulary: str) -> OddOneOut:
        """The word least similar to the mean of all."""
        words = self._look_up(asked, vocabulary)
        if len(words.known) < _LEAST_OF_ALL:
            raise InvalidRequest("words", f"at least {_LEAST_OF_ALL} of them must be known")
        vectors = words.vectors()
        similarities = vectors @ l2_normalize(np.nanmean(vectors, axis=0))
        odd = asked[int(np.nanargmin(similarities))]
        return OddOneOut(odd, _cosines(similarities), words.canonical)

    def _look_up(self, asked: Sequence[str], vocabulary: str) -> Lookup:
        with self._database.read() as session:
            return look_up_in(session, vocabulary, asked)[1]

    def _near(
        self,
        session: Session,
        collection: Collection,
        direction: Vector,
        filters: Filters,
        hidden: set[str],
    ) -> list[WordNeighbor]:
        if filters.within is not None:
            words = look_up(session, collection, filters.within).known
            found = _compare(
                direction,
                [w.text for w in words],
                [w.rank for w in words],
                np.stack([w.vector for w in words]),
            )
        elif filters.max_rank is not None and filters.max_rank <= _SMALL_RANK:
            texts, ranks, vectors = frequent_words(session, collection, filters.max_rank)
            found = _compare(direction, texts, ranks, vectors)
        else:
            return self._search(session, collection, direction, filters, hidden)
        return _kept(found, filters, hidden)[: filters.k]

    def _search(
        self,
        session: Session,
        collection: Collection,
        direction: Vector,
        filters: Filters,
        hidden: set[str],
    ) -> list[WordNeighbor]:
        """Ask the index for more until enough of what it found may answer."""
        asked = filters.k + len(hidden)
        while True:
            rows = nearest_entries(session, self._index_sync, collection, direction[None], asked)[0]
            found = [WordNeighbor(row.name, row.similarity, row.rank or 0) for row in rows]
            kept = _kept(found, filters, hidden)
            floor = filters.min_similarity
            below = floor is not None and bool(found) and found[-1].similarity < floor
            if len(kept) >= filters.k or below or len(found) < asked:
                return kept[: filters.k]
            asked *= 4


def _query(
    collection: Collection, positive: Sequence[Item], negative: Sequence[Item], words: Lookup
) -> Query:
    """Signed rows of the terms; skipped words are no terms."""
    known = iter(words.words)
    rows: list[Vector] = []
    weights: list[float] = []
    signed = [*((1.0, item) for item in positive), *((-1.0, item) for item in negative)]
    for sign, item in signed:
        if item.word is not None:
            word = next(known)
            if word is None:
                continue
            rows.append(word.vector)
        else:
            rows.append(_raw_vector(collection, item))
        weights.append(sign * item.weight)
    return Query(np.stack(rows), np.array(weights, dtype=np.float32))


def _raw_vector(collection: Collection, item: Item) -> Vector:
    vector = np.array(item.vector, dtype=np.float32)
    if vector.shape != (collection.space.dimension,):
        raise InvalidRequest(
            "vector", f"{collection.name} has {collection.space.dimension} dimensions"
        )
    return l2_normalize(vector)


def _cosines(dots: Vector) -> list[float | None]:
    """As numbers from -1 to 1; None for what is none."""
    return [None if np.isnan(dot) else float(np.clip(dot, -1, 1)) for dot in dots]


def _by_cos_mul(
    session: Session, collection: Collection, query: Query, found: list[WordNeighbor]
) -> list[WordNeighbor]:
    if not found:
        return []
    known = find_words(session, collection, [neighbor.word for neighbor in found])
    vectors = np.stack([known[neighbor.word].vector for neighbor in found])
    scores = cos_mul(query, vectors)
    return [
        WordNeighbor(found[row].word, found[row].similarity, found[row].rank, float(scores[row]))
        for row in np.argsort(-scores, kind="stable")
    ]


def _compare(
    direction: Vector, texts: list[str], ranks: list[int], vectors: Matrix
) -> list[WordNeighbor]:
    similarities = np.clip(vectors @ direction, -1, 1)
    return [
        WordNeighbor(texts[row], float(similarities[row]), ranks[row])
        for row in np.argsort(-similarities, kind="stable")
    ]


def _kept(found: list[WordNeighbor], filters: Filters, hidden: set[str]) -> list[WordNeighbor]:
    return [
        neighbor
        for neighbor in found
        if neighbor.word not in hidden
        and (filters.max_rank is None or neighbor.rank <= filters.max_rank)
        and (filters.min_similarity is None or neighbor.similarity >= filters.min_similarity)
    ]
