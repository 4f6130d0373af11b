"""Texts in the space of a vocabulary, for zero-shot: weighted by rarity, freed of what is common.

Smooth inverse frequency (Arora et al. 2017): a word counts `a / (a + p(w))` with a = 1e-3, and the
common direction is taken out of every vector. `p(w)` follows from the rank, since vocabularies
come without counts: `p ~ 1 / (rank + 2.7)` (Zipf's law with Mandelbrot's offset).
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
from app.store.words import Word, find_words, frequent_words
from app.texts.space import Label, TokenVectors, spelled_apart
from app.vectors import EmbeddingSpace, Matrix, Vector, l2_normalize
from app.words.policies import WordPolicy
from app.words.records import MAX_WORD_LENGTH
from app.words.text_vectors import tokenize

_A = 1e-3  # Arora et al. 2017, section 4.1
_ZIPF_OFFSET = 2.7
_FREQUENT = 50_000  # words that stand for the vocabulary: nine tenths of any text and more
_BACKGROUND, _LENGTH = 200, 12  # texts of chance, and their words
_KEPT = 8  # vocabularies in memory
_JOINTS = re.compile(r"[-'’_]")


@dataclass(frozen=True, slots=True)
class Common:
    """What all words of a vocabulary share: their mean, by frequency, and one direction."""

    mean: Vector
    direction: Vector
    words: int

    def take_out(self, vectors: Matrix) -> Matrix:
        """Vectors without it, shape kept."""
        centred = vectors - self.mean
        along = centred @ self.direction
        return np.asarray(centred - along[:, None] * self.direction, dtype=np.float32)

    def weights(self, ranks: NDArray[np.int64]) -> NDArray[np.float32]:
        """SIF weights, 0 to 1, by rank."""
        return (_A / (_A + _zipf(ranks, self.words))).astype(np.float32)


class SifSpaces:
    """Opens vocabularies as spaces of texts; what they share is computed once for each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: LRUCache[int, tuple[Common, list[TokenVectors]]] = LRUCache(_KEPT)
        self._guard = threading.Lock()

    def open(self, vocabulary: str) -> "SifSpace":
        """Raises VocabularyNotFound."""
        with self._database.read() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            with self._guard:
                known = self._known.get(collection.row_id)
            if known is None:  # two at once may both compute it: the outcome is the same
                known = _learn(session, collection)
                with self._guard:
                    self._known[collection.row_id] = known
        return SifSpace(self._database, collection, *known)


class SifSpace:
    """One vocabulary as a space of texts."""

    def __init__(
        self,
        database: Database,
        collection: Collection,
        common: Common,
        background: list[TokenVectors],
    ) -> None:
        self._database, self._collection = database, collection
        self._common, self._background = common, background
        self._policy = WordPolicy.of(collection.options)

    @property
    def space(self) -> EmbeddingSpace:
        """That of the vocabulary."""
        return self._collection.space

    @property
    def version(self) -> str:
        """The vocabulary and its revision."""
        return f"{self._collection.row_id} {self._collection.revision}"

    def texts(self, texts: Sequence[str]) -> list[TokenVectors]:
        """A bag a text: each of its words, as it stands or in lower case."""
        tokens = [tokenize(text) or [text.strip()] for text in texts]
        return self._bags([[(token, 1.0) for token in row] for row in tokens])

    def labels(self, labels: Sequence[Label]) -> list[TokenVectors]:
        """A bag a label: name, keywords and description, and attributes by their strength."""
        rows = []
        for label in labels:
            said = " ".join((label.name, *label.keywords, label.description))
            tokens = tokenize(spelled_apart(said)) or [label.name.strip()]
            row = [(token, 1.0) for token in tokens]
            for attribute, strength in label.attributes.items():
                if strength > 0.0:
                    row += [(token, strength) for token in tokenize(spelled_apart(attribute))]
            rows.append(row)
        return self._bags(rows)

    def raw(self, vector: Vector) -> TokenVectors:
        """A vector of the vocabulary's space. Raises InvalidRequest for another length."""
        if vector.shape != (self.space.dimension,):
            raise InvalidRequest(
                "vector", f"{self.space.name} has {self.space.dimension} dimensions"
            )
        rows = self._common.take_out(l2_normalize(vector)[None])
        return TokenVectors(("vector",), rows, np.ones(1, dtype=np.float32))

    def background(self) -> list[TokenVectors]:
        """Words drawn by frequency, twelve a text."""
        return self._background

    @property
    def chance(self) -> None:
        """Labels of few words differ in it (hubs): each is measured."""
        return None

    def _bags(self, rows: list[list[tuple[str, float]]]) -> list[TokenVectors]:
        """From tokens with strengths; what is unknown as a whole is tried by its parts."""
        forms = {token: self._forms(token) for row in rows for token, _ in row}
        parts = {token: _JOINTS.split(token) for token in forms if _JOINTS.search(token)}
        forms |= {part: self._forms(part) for split in parts.values() for part in split if part}
        wanted = [form for some in forms.values() for form in some]
        with self._database.read() as session:
            known = find_words(session, self._collection, wanted)
        held = {
            token: next((known[form] for form in some if form in known), None)
            for token, some in forms.items()
        }
        return [self._bag(row, held, parts) for row in rows]

    def _bag(
        self,
        row: list[tuple[str, float]],
        held: Mapping[str, Word | None],
        parts: Mapping[str, list[str]],
    ) -> TokenVectors:
        found: list[tuple[str, Word, float]] = []
        unknown: list[str] = []
        for token, strength in row:
            whole = held[token]
            if whole is not None:
                found.append((token, whole, strength))
                continue
            pieces = [(part, held.get(part)) for part in parts.get(token, ())]
            some = [(part, word, strength) for part, word in pieces if word is not None]
            found += some
            if not some:
                unknown.append(token)
        missing = tuple(dict.fromkeys(unknown))
        if not found:
            nothing = np.zeros((0, self.space.dimension), dtype=np.float32)
            return TokenVectors((), nothing, np.zeros(0, dtype=np.float32), missing)
        vectors = self._common.take_out(np.stack([word.vector for _, word, _ in found]))
        strengths = np.array([strength for *_, strength in found], dtype=np.float32)
        weights = self._common.weights(np.array([word.rank for _, word, _ in found])) * strengths
        return TokenVectors(tuple(token for token, *_ in found), vectors, weights, missing)

    def _forms(self, token: str) -> list[str]:
        forms = [*self._policy.spellings(token), *self._policy.spellings(token.lower())]
        return [form for form in dict.fromkeys(forms) if len(form) <= MAX_WORD_LENGTH]


def _learn(session: Session, collection: Collection) -> tuple[Common, list[TokenVectors]]:
    frequent = frequent_words(session, collection, _FREQUENT)
    texts, ranks, vectors = frequent.texts, frequent.ranks, frequent.vectors
    if not texts:
        raise InvalidRequest("vocabulary", f"{collection.name} has no words")
    shares = _zipf(np.array(ranks), collection.size)
    shares /= shares.sum()
    mean = (shares @ vectors).astype(np.float32)
    centred = vectors - mean
    # The first right singular vector, by way of the small matrix of second moments.
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    common = Common(mean, directions[:, -1].astype(np.float32), collection.size)
    freed, weights = common.take_out(vectors), common.weights(np.array(ranks))
    rng = np.random.default_rng(0)
    drawn = rng.choice(len(texts), (_BACKGROUND, _LENGTH), p=shares)
    background = [
        TokenVectors(tuple(texts[i] for i in row), freed[row], weights[row]) for row in drawn
    ]
    return common, background


def _zipf(ranks: NDArray[np.int64], words: int) -> NDArray[np.float64]:
    """How large a share of running text the word of each rank has."""
    whole = np.log((words + _ZIPF_OFFSET) / (1 + _ZIPF_OFFSET)) + 1 / (1 + _ZIPF_OFFSET)
    shares: NDArray[np.float64] = 1.0 / (ranks + _ZIPF_OFFSET) / whole
    return shares
