"""A vocabulary as a text space with smooth inverse frequency weights (Arora et al. 2017).

A word has the weight `a / (a + p(w))` with a = 1e-3, and the common component is removed from
every vector. `p(w)` is estimated from the rank, because vocabularies have no counts:
`p ~ 1 / (rank + 2.7)` (Zipf's law with Mandelbrot's offset).
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.errors import InvalidRequest
from app.store.collections import Collection, get_collection
from app.store.db.database import Database
from app.store.db.tables import VOCABULARY
from app.store.words import Word, WordTable, find_words, frequent_words
from app.texts.space import Label, TokenVectors, split_compound
from app.vectors import EmbeddingSpace, Matrix, Vector
from app.words.policies import WordPolicy
from app.words.raw_vectors import to_unit_vector
from app.words.records import MAX_WORD_LENGTH
from app.words.text_vectors import tokenize

_A = 1e-3  # Arora et al. 2017, section 4.1
_ZIPF_OFFSET = 2.7
_SAMPLED_WORDS = 50_000  # most frequent words, more than nine tenths of running text
_BACKGROUND_TEXTS, _BACKGROUND_LENGTH = 200, 12
_CACHED_VOCABULARIES = 8
_WORD_PARTS = re.compile(r"[-'’_]")


@dataclass(frozen=True, slots=True)
class CommonComponent:
    """What all words of a vocabulary share: their mean, weighted by frequency, and their first
    principal direction. `words` is the size of the vocabulary."""

    mean: Vector
    direction: Vector
    words: int

    def remove_from(self, vectors: Matrix) -> Matrix:
        """The vectors without the common component, shape unchanged."""
        centred = vectors - self.mean
        projected = centred @ self.direction
        return np.asarray(centred - projected[:, None] * self.direction, dtype=np.float32)

    def weights(self, ranks: NDArray[np.int64]) -> NDArray[np.float32]:
        """SIF weights by rank, 0 to 1."""
        return (_A / (_A + _zipf_shares(ranks, self.words))).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Statistics:
    """The statistics that are computed once per vocabulary."""

    common: CommonComponent
    background: list[TokenVectors]


class SifSpaces:
    """Opens vocabularies as text spaces; caches the statistics of the last eight."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: LRUCache[int, _Statistics] = LRUCache(_CACHED_VOCABULARIES)
        self._lock = threading.Lock()

    def open(self, vocabulary: str) -> "SifSpace":
        """Raises VocabularyNotFound, and InvalidRequest for a vocabulary without words."""
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            with self._lock:
                statistics = self._cache.get(collection.row_id)
            if statistics is None:  # concurrent requests may compute the same value twice
                statistics = _compute_statistics(session, collection)
                with self._lock:
                    self._cache[collection.row_id] = statistics
        return SifSpace(self._database, collection, statistics)


class SifSpace:
    """One vocabulary as a text space."""

    work_per_word = 2_500  # 10 microseconds, mostly in the database
    work_per_text = 0

    def __init__(self, database: Database, collection: Collection, statistics: _Statistics) -> None:
        self._database, self._collection = database, collection
        self._common, self._background = statistics.common, statistics.background
        self._policy = WordPolicy.of(collection.options)

    @property
    def space(self) -> EmbeddingSpace:
        """The embedding space of the vocabulary."""
        return self._collection.space

    @property
    def version(self) -> str:
        """The vocabulary and its revision."""
        return f"{self._collection.row_id} {self._collection.revision}"

    def texts(self, texts: Sequence[str]) -> list[TokenVectors]:
        """The words of each text, looked up as written, then in lower case."""
        tokens = [tokenize(text) or [text.strip()] for text in texts]
        return self._embed([[_Token(token) for token in row] for row in tokens])

    def labels(self, labels: Sequence[Label]) -> list[TokenVectors]:
        """The words of name, keywords, description and attributes of each label."""
        return self._embed([_label_tokens(label) for label in labels])

    def raw(self, vector: Sequence[float]) -> TokenVectors:
        """A vector of the vocabulary's space. Raises InvalidRequest for another dimension."""
        owner = f"the vocabulary {self._collection.name!r}"
        unit = to_unit_vector(vector, self.space.dimension, owner)
        return TokenVectors.single("vector", self._common.remove_from(unit[None])[0])

    def background(self) -> list[TokenVectors]:
        """Texts of twelve words each, drawn by frequency."""
        return self._background

    @property
    def background_fit(self) -> None:
        """None: labels of few words have different background fits (hubs)."""
        return None

    def _embed(self, texts: list[list["_Token"]]) -> list[TokenVectors]:
        """Look up all tokens in one query. An unknown token is replaced by its parts: the words
        between hyphens, apostrophes and underscores."""
        spellings = {token.text: self._spellings(token.text) for row in texts for token in row}
        parts = {text: _WORD_PARTS.split(text) for text in spellings if _WORD_PARTS.search(text)}
        spellings |= {part: self._spellings(part) for row in parts.values() for part in row if part}
        forms = [form for row in spellings.values() for form in row]
        with self._database.read() as session:
            found = find_words(session, self._collection, forms)
        words = {
            text: next((found[form] for form in row if form in found), None)
            for text, row in spellings.items()
        }
        return [self._token_vectors(row, words, parts) for row in texts]

    def _token_vectors(
        self,
        tokens: list["_Token"],
        words: Mapping[str, Word | None],
        parts: Mapping[str, list[str]],
    ) -> TokenVectors:
        known: list[tuple[_Token, Word]] = []
        unknown: list[str] = []
        for token in tokens:
            pieces = [token.text] if words[token.text] is not None else parts.get(token.text, [])
            pairs = [(_Token(piece, token.strength), words.get(piece)) for piece in pieces]
            found = [(piece, word) for piece, word in pairs if word is not None]
            known += found
            if not found:
                unknown.append(token.text)
        missing = tuple(dict.fromkeys(unknown))
        if not known:
            return TokenVectors.empty(self.space.dimension, missing)
        vectors = self._common.remove_from(np.stack([word.vector for _, word in known]))
        strengths = np.array([token.strength for token, _ in known], dtype=np.float32)
        weights = self._common.weights(np.array([word.rank for _, word in known])) * strengths
        return TokenVectors(tuple(token.text for token, _ in known), vectors, weights, missing)

    def _spellings(self, token: str) -> list[str]:
        forms = [*self._policy.spellings(token), *self._policy.spellings(token.lower())]
        return [form for form in dict.fromkeys(forms) if len(form) <= MAX_WORD_LENGTH]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    strength: float = 1.0


def _label_tokens(label: Label) -> list[_Token]:
    content = " ".join((label.name, *label.keywords, label.description))
    words = tokenize(split_compound(content)) or [label.name.strip()]
    tokens = [_Token(word) for word in words]
    for attribute, strength in label.attributes.items():
        if strength > 0.0:
            tokens += [_Token(word, strength) for word in tokenize(split_compound(attribute))]
    return tokens


def _compute_statistics(session: Session, collection: Collection) -> _Statistics:
    frequent = frequent_words(session, collection, _SAMPLED_WORDS)
    if not frequent.texts:
        raise InvalidRequest(
            "vocabulary", f"the vocabulary {collection.name!r} has no words; add some first"
        )
    shares = _zipf_shares(np.array(frequent.ranks), collection.size)
    shares /= shares.sum()
    mean = (shares @ frequent.vectors).astype(np.float32)
    centred = frequent.vectors - mean
    # The first right singular vector, computed from the small matrix of second moments.
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    common = CommonComponent(mean, directions[:, -1].astype(np.float32), collection.size)
    return _Statistics(common, _draw_background(frequent, shares, common))


def _draw_background(
    words: WordTable, shares: NDArray[np.float64], common: CommonComponent
) -> list[TokenVectors]:
    """Texts of words drawn by frequency, with a fixed seed."""
    vectors, weights = common.remove_from(words.vectors), common.weights(np.array(words.ranks))
    rng = np.random.default_rng(0)
    drawn = rng.choice(len(words.texts), (_BACKGROUND_TEXTS, _BACKGROUND_LENGTH), p=shares)
    return [
        TokenVectors(tuple(words.texts[i] for i in row), vectors[row], weights[row])
        for row in drawn
    ]


def _zipf_shares(ranks: NDArray[np.int64], words: int) -> NDArray[np.float64]:
    """The share of running text of the word at each rank, by the Zipf-Mandelbrot law."""
    total = np.log((words + _ZIPF_OFFSET) / (1 + _ZIPF_OFFSET)) + 1 / (1 + _ZIPF_OFFSET)
    shares: NDArray[np.float64] = 1.0 / (ranks + _ZIPF_OFFSET) / total
    return shares
