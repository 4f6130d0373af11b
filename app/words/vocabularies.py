"""The service for queries on vocabularies, each named by the vocabulary's name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.store.collections import Collection, get_collection, list_collections
from app.store.db.database import Database
from app.store.db.tables import VOCABULARY
from app.store.index_sync import IndexSync
from app.store.words import Word, WordTable, find_words, frequent_words, words_with_prefix
from app.words.analogies import Term, build_query
from app.words.lookup import Canonical, Lookup, look_up_in
from app.words.maps import WordMap, map_of
from app.words.neighbors import Filters, Method, NeighborSearch, WordNeighbor
from app.words.policies import WordPolicy
from app.words.similarities import (
    OddOneOut,
    Similarities,
    SimilarityMatrix,
    odd_one_out,
    pair_similarities,
    similarity_matrix,
)
from app.words.text_vectors import TextVector, embed_texts

_ALL_RANKS = 2**31 - 1
_COMPLETED_RANKS = 50_000  # most frequent words that completions are chosen from


@dataclass(frozen=True, slots=True)
class NearestWords:
    """The nearest words, best first, and the spellings found for the words of the query."""

    neighbors: list[WordNeighbor]
    canonical: Canonical


class VocabularyService:
    """Answers queries on the vocabularies of the store.

    Every method that takes a vocabulary raises VocabularyNotFound; every method that takes words
    raises WordNotFound, with suggestions, under the policy of the vocabulary.
    """

    def __init__(self, database: Database, index_sync: IndexSync) -> None:
        self._database, self._index_sync = database, index_sync

    def list_all(self) -> list[Collection]:
        """All vocabularies, ordered by name."""
        with self._database.read() as session:
            return list_collections(session, VOCABULARY)

    def get(self, name: str) -> Collection:
        """The vocabulary of this name."""
        with self._database.read() as session:
            return get_collection(session, name, VOCABULARY)

    def lookup(self, word: str, vocabulary: str) -> Word:
        """A word with its unit vector and rank."""
        return self._look_up([word], vocabulary).known[0]

    def all_words(self, vocabulary: str) -> WordTable:
        """All words, most frequent first."""
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            return frequent_words(session, collection, _ALL_RANKS)

    def embed_texts(self, texts: Sequence[str], vocabulary: str) -> Sequence[TextVector]:
        """One unit vector per text, in order."""
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            return embed_texts(session, collection, texts)

    def nearest(
        self,
        positive: Sequence[Term],
        negative: Sequence[Term],
        method: Method,
        filters: Filters,
        vocabulary: str,
    ) -> NearestWords:
        """The words nearest to a weighted sum of words and vectors, without the words themselves.

        3CosAdd: Mikolov et al. 2013; 3CosMul: Levy & Goldberg 2014. Raises InvalidRequest for
        terms that cancel each other and for vectors of another dimension.
        """
        texts = [term.word for term in (*positive, *negative) if term.word is not None]
        with self._database.read() as session:
            collection, lookup = look_up_in(session, vocabulary, texts)
            query = build_query(collection, positive, negative, lookup)
            policy = WordPolicy.of(collection.options)
            # No spelling of a word in the query is an answer.
            hidden = {
                form for text in (*texts, *filters.exclude) for form in policy.spellings(text)
            }
            search = NeighborSearch(session, self._index_sync, collection, filters, hidden)
            return NearestWords(search.nearest(query, method), lookup.canonical)

    def map(self, word: str, k: int, vocabulary: str) -> WordMap:
        """The k words nearest to a word, placed in the plane of their principal components."""
        with self._database.read() as session:
            collection, lookup = look_up_in(session, vocabulary, [word])
            [center] = lookup.known
            hidden = {center.text, *WordPolicy.of(collection.options).spellings(word)}
            query = build_query(collection, [Term(word)], [], lookup)
            search = NeighborSearch(session, self._index_sync, collection, Filters(k), hidden)
            neighbors = search.nearest(query, "3cosadd")
            found = find_words(session, collection, [one.word for one in neighbors])
        present = [one for one in neighbors if one.word in found]
        vectors = np.stack([center.vector, *(found[one.word].vector for one in present)])
        return map_of(WordNeighbor(center.text, 1.0, center.rank), present, vectors)

    def complete(self, prefix: str, limit: int, vocabulary: str) -> list[tuple[str, int]]:
        """At most `limit` words that begin with `prefix`, with their ranks, most frequent first.

        They are among the 50,000 most frequent words, which bounds the work.
        """
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            found: list[tuple[str, int]] = []
            for form in WordPolicy.of(collection.options).spellings(prefix):
                found += words_with_prefix(session, collection, form, _COMPLETED_RANKS, limit)
        return sorted(set(found), key=lambda one: one[1])[:limit]

    def pair_similarities(self, pairs: Sequence[tuple[str, str]], vocabulary: str) -> Similarities:
        """The cosine similarity of each pair of words."""
        return pair_similarities(
            self._look_up([word for pair in pairs for word in pair], vocabulary)
        )

    def similarity_matrix(self, words: Sequence[str], vocabulary: str) -> SimilarityMatrix:
        """The cosine similarities of all words with all words."""
        return similarity_matrix(self._look_up(words, vocabulary))

    def odd_one_out(self, words: Sequence[str], vocabulary: str) -> OddOneOut:
        """The word least similar to the mean of all. Raises InvalidRequest below three known."""
        return odd_one_out(self._look_up(words, vocabulary))

    def _look_up(self, words: Sequence[str], vocabulary: str) -> Lookup:
        with self._database.read() as session:
            return look_up_in(session, vocabulary, words)[1]
