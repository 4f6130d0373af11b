"""Words as vectors: look up, neighbors, analogies, the odd one out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sqlalchemy.orm import Session

from app.errors import InvalidRequest, WordNotFound
from app.store.collections import Collection, get_collection, list_collections
from app.store.database import Database
from app.store.projection import IndexProjection
from app.store.search import nearest_entries
from app.store.tables import VOCABULARY
from app.store.words import Word, find_words, frequent_words
from app.vectors import Matrix, Vector, l2_normalize
from app.words.analogy import Query, cos_mul
from app.words.policy import WordPolicy
from app.words.suggestions import suggest
from app.words.texts import TextVector, embed_texts

_SMALL_RANK = 50_000  # up to here the words themselves are compared, beyond it the index helps
_MUL_CANDIDATES = 2_000


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


class Vocabularies:
    """Every vocabulary of the store, behind names."""

    def __init__(self, database: Database, projection: IndexProjection) -> None:
        self._database, self._projection = database, projection

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
            collection = get_collection(session, vocabulary, VOCABULARY)
            return _require(session, collection, [word])[0]

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
    ) -> list[WordNeighbor]:
        """Words near a weighted sum of words and vectors; the words asked with never answer.

        3CosAdd: Mikolov et al. 2013; 3CosMul: Levy & Goldberg 2014, over the best 2,000
        candidates of 3CosAdd.
        """
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            query = _query(session, collection, positive, negative)
            policy = WordPolicy.of(collection.options)
            asked = [item.word for item in (*positive, *negative) if item.word is not None]
            named = [*asked, *filters.exclude]
            # Under any of its spellings a word that was asked with is no answer.
            hidden = {form for word in named for form in policy.spellings(word)}
            if method == "3cosadd":
                return self._near(session, collection, query.direction(), filters, hidden)
            wide = Filters(
                _MUL_CANDIDATES, filters.min_similarity, filters.max_rank, filters.within
            )
            found = self._near(session, collection, query.direction(), wide, hidden)
            return _by_cos_mul(session, collection, query, found)[: filters.k]

    def similarities(self, pairs: Sequence[tuple[str, str]], vocabulary: str) -> list[float]:
        """Cosine of each pair."""
        flat = [word for pair in pairs for word in pair]
        vectors = self._vectors(flat, vocabulary)
        dots = (vectors[::2] * vectors[1::2]).sum(axis=1)
        return [float(dot) for dot in np.clip(dots, -1, 1)]

    def matrix(self, words: Sequence[str], vocabulary: str) -> list[list[float]]:
        """Cosine of everything with everything, shape (n, n)."""
        vectors = self._vectors(words, vocabulary)
        square: list[list[float]] = np.clip(vectors @ vectors.T, -1, 1).tolist()
        return square

    def odd_one_out(self, words: Sequence[str], vocabulary: str) -> tuple[str, list[float]]:
        """The word least similar to the mean of all, and every word's similarity to it."""
        vectors = self._vectors(words, vocabulary)
        mean = l2_normalize(vectors.mean(axis=0))
        similarities = np.clip(vectors @ mean, -1, 1)
        return words[int(similarities.argmin())], [float(s) for s in similarities]

    def _vectors(self, words: Sequence[str], vocabulary: str) -> Matrix:
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            return np.stack([word.vector for word in _require(session, collection, words)])

    def _near(
        self,
        session: Session,
        collection: Collection,
        direction: Vector,
        filters: Filters,
        hidden: set[str],
    ) -> list[WordNeighbor]:
        if filters.within is not None:
            words = _require(session, collection, filters.within)
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
            rows = nearest_entries(session, self._projection, collection, direction[None], asked)[0]
            found = [WordNeighbor(row.name, row.similarity, row.rank or 0) for row in rows]
            kept = _kept(found, filters, hidden)
            floor = filters.min_similarity
            below = floor is not None and bool(found) and found[-1].similarity < floor
            if len(kept) >= filters.k or below or len(found) < asked:
                return kept[: filters.k]
            asked *= 4


def _require(session: Session, collection: Collection, words: Sequence[str]) -> list[Word]:
    """Every word with its vector, in order; its text is the spelling that the vocabulary holds.

    Raises WordNotFound for the first that is unknown under the vocabulary's policy.
    """
    policy = WordPolicy.of(collection.options)
    spellings = [policy.spellings(word) for word in words]
    known = find_words(session, collection, [form for forms in spellings for form in forms])
    found: list[Word] = []
    for word, forms in zip(words, spellings, strict=True):
        there = next((known[form] for form in forms if form in known), None)
        if there is None:
            close = suggest(session, collection, policy.spellings(word)[0] if forms else word)
            raise WordNotFound(word, collection.name, close)
        found.append(there)
    return found


def _query(
    session: Session, collection: Collection, positive: Sequence[Item], negative: Sequence[Item]
) -> Query:
    items = [*positive, *negative]
    named = [item.word for item in items if item.word is not None]
    words = _require(session, collection, named)
    known = {asked: word.vector for asked, word in zip(named, words, strict=True)}
    rows: list[Vector] = []
    for item in items:
        if item.word is not None:
            rows.append(known[item.word])
            continue
        vector = np.array(item.vector, dtype=np.float32)
        if vector.shape != (collection.space.dimension,):
            raise InvalidRequest(
                "vector", f"{collection.name} has {collection.space.dimension} dimensions"
            )
        rows.append(l2_normalize(vector))
    signs = [1.0] * len(positive) + [-1.0] * len(negative)
    weights = [sign * item.weight for sign, item in zip(signs, items, strict=True)]
    query = Query(np.stack(rows), np.array(weights, dtype=np.float32))
    if not query.direction().any():
        raise InvalidRequest("positive", "the terms cancel each other out")
    return query


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
