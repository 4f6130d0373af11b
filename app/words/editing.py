"""Vocabularies come, change and go: whole files, single words."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import IO

import numpy as np

from app.errors import InvalidRequest, WordNotFound
from app.store.collections import (
    Collection,
    delete_collection,
    get_collection,
    lock_collection,
)
from app.store.db.database import Database
from app.store.db.tables import VOCABULARY
from app.store.index_sync import IndexSync
from app.store.staging import discard, publish, stage
from app.store.words import (
    WORDS_A_BLOCK,
    Word,
    append_words,
    every_word,
    remove_word,
    upsert_word,
)
from app.vectors import EmbeddingSpace, l2_normalize
from app.words.formats import WRITERS, WordVectors, open_vectors
from app.words.policies import WordPolicy, fold_persian

DEFAULT = WordPolicy()
_BLOCK = 1_000
_HASHED = 1 << 20


def _nobody_watches(_words: int) -> None:
    return


class VocabularyEditor:
    """Whatever a method does happens as a whole, or not at all."""

    def __init__(self, database: Database, index_sync: IndexSync, most_bytes: int) -> None:
        self._database, self._index_sync = database, index_sync
        self._most_bytes = most_bytes

    def create(
        self,
        name: str,
        file: IO[bytes],
        word_list: IO[bytes] | None,
        policy: WordPolicy = DEFAULT,
        progress: Callable[[int], None] = _nobody_watches,
    ) -> Collection:
        """A vocabulary out of a vector file, words by falling frequency as they stand in it.

        Of words that `policy` folds into one the first, most frequent one stays.

        The file is read twice, first for its digest, which names the embedding space. Nobody sees
        the vocabulary before its last word is there. Raises BrokenFile with the line,
        CollectionExists.
        """
        digest = _digest(file, word_list)
        found = open_vectors(file, word_list, self._most_bytes)
        words = found.words if policy.normalisation == "none" else _folded(found.words)
        space = EmbeddingSpace(name, f"vectors:{digest}", found.dimension)
        with self._database.write() as session:
            staged = stage(session, name, space, policy.options())
        try:
            count = self._fill(staged, _unit(words), progress)
            with self._database.write() as session:
                return publish(session, staged, name, VOCABULARY, count)
        except BaseException:
            discard(self._database, staged.row_id)
            raise

    def _fill(self, staged: Collection, words: WordVectors, progress: Callable[[int], None]) -> int:
        """A transaction a block, so that other writers wait for a block only."""
        rank = 0
        while block := list(islice(words, WORDS_A_BLOCK)):
            with self._database.write() as session:
                append_words(session, staged, block, rank)
            rank += len(block)
            progress(len(block))
        return rank

    def put(self, vocabulary: str, word: str, vector: Sequence[float]) -> tuple[Word, bool]:
        """Set one word; True where it is new. Raises VocabularyNotFound, InvalidRequest."""
        with self._database.write() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            row = np.array(vector, dtype=np.float64)
            if row.shape != (collection.space.dimension,):
                raise InvalidRequest(
                    "vector", f"{vocabulary} has {collection.space.dimension} dimensions"
                )
            if not row.any():
                raise InvalidRequest("vector", "a vector of zeros has no direction")
            folded = WordPolicy.of(collection.options).fold(word)
            return upsert_word(session, collection, folded, l2_normalize(row))

    def remove(self, vocabulary: str, word: str) -> None:
        """Forget one word. Raises VocabularyNotFound, WordNotFound."""
        with self._database.write() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            if not remove_word(session, collection, WordPolicy.of(collection.options).fold(word)):
                raise WordNotFound(word, vocabulary, ())

    def delete(self, name: str) -> None:
        """A vocabulary with all its words."""
        with self._database.write() as session:
            found = get_collection(session, name, VOCABULARY)
            delete_collection(session, lock_collection(session, found))
        self._index_sync.forget(found)

    def export(self, name: str, kind: str) -> Iterator[bytes]:
        """The pieces of a file of one of the formats in WRITERS; unit vectors, by rank."""
        self._get(name)  # said before the first piece is on its way
        return self._pieces(name, kind)

    def _pieces(self, name: str, kind: str) -> Iterator[bytes]:
        with self._database.read() as session:
            collection = get_collection(session, name, VOCABULARY)
            words = every_word(session, collection)
            yield from WRITERS[kind](collection.size, collection.space.dimension, words)

    def _get(self, name: str) -> Collection:
        with self._database.read() as session:
            return get_collection(session, name, VOCABULARY)


def _folded(words: WordVectors) -> WordVectors:
    seen: set[str] = set()
    for word, vector in words:
        folded = fold_persian(word)
        if folded and folded not in seen:
            seen.add(folded)
            yield folded, vector


def _unit(words: WordVectors) -> WordVectors:
    while block := list(islice(words, _BLOCK)):
        rows = l2_normalize(np.stack([vector for _, vector in block]))
        yield from zip((word for word, _ in block), rows, strict=True)


def _digest(*files: IO[bytes] | None) -> str:
    known = hashlib.sha256()
    for file in files:
        if file is None:
            continue
        file.seek(0)
        while block := file.read(_HASHED):
            known.update(block)
        file.seek(0)
    return known.hexdigest()
