"""Imports, exports and deletes vocabularies, and sets and deletes single words."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import IO

import numpy as np

from app.audit_events import AuditEvent
from app.errors import InvalidRequest, WordNotFound
from app.store.collections import Collection, get_collection
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import VOCABULARY
from app.store.deletion import delete_collection_by_name
from app.store.index_sync import IndexSync
from app.store.staging import delete_staged, publish, stage
from app.store.word_import import BLOCK_SIZE, append_words
from app.store.words import Word, delete_word, upsert_word
from app.vectors import EmbeddingSpace, l2_normalize
from app.words.export import export_vocabulary
from app.words.formats import WordVectors, open_vectors
from app.words.policies import WordPolicy, fold_persian
from app.words.raw_vectors import to_unit_vector

DEFAULT_POLICY = WordPolicy()
_NORMALIZED_AT_ONCE = 1_000  # words
_DIGEST_BLOCK = 1 << 20  # bytes


def _ignore_progress(_words: int) -> None:
    return


class VocabularyEditor:
    """Writes to vocabularies. Every method is atomic: an error leaves the store unchanged."""

    def __init__(self, database: Database, index_sync: IndexSync, max_bytes: int) -> None:
        self._database, self._index_sync = database, index_sync
        self._max_bytes = max_bytes

    def create(
        self,
        name: str,
        file: IO[bytes],
        word_list: IO[bytes] | None,
        policy: WordPolicy = DEFAULT_POLICY,
        progress: Callable[[int], None] = _ignore_progress,
    ) -> Collection:
        """Create a vocabulary from a vector file that lists words in falling frequency.

        Where `policy` folds several words into one spelling, the first one is stored. The file is
        read twice: first for its digest, which names the embedding space. The vocabulary is
        visible once its last word is stored. `progress` receives the number of words of each
        stored block. Raises InvalidVectorFile with the line, CollectionExists.
        """
        digest = _digest(file, word_list)
        vector_file = open_vectors(file, word_list, self._max_bytes)
        words = vector_file.words if policy.normalisation == "none" else _fold(vector_file.words)
        space = EmbeddingSpace(name, f"vectors:{digest}", vector_file.dimension)
        with self._database.write() as session:
            staged = stage(session, name, space, policy.options())
        try:
            count = self._append(staged, _normalize(words), progress)
            with self._database.write() as session:
                record(session, AuditEvent("vocabulary.create", "created", name))
                return publish(session, staged, name, VOCABULARY, count)
        except BaseException:
            delete_staged(self._database, staged.row_id)
            raise

    def _append(
        self, staged: Collection, words: WordVectors, progress: Callable[[int], None]
    ) -> int:
        """One transaction per block, so that other writers wait for one block only."""
        rank = 0
        while block := list(islice(words, BLOCK_SIZE)):
            with self._database.write() as session:
                append_words(session, staged, block, rank)
            rank += len(block)
            progress(len(block))
        return rank

    def put_word(self, vocabulary: str, word: str, vector: Sequence[float]) -> tuple[Word, bool]:
        """Set the vector of a word; returns the word and whether it is new.

        The vector is stored at unit length. Raises VocabularyNotFound, InvalidRequest.
        """
        with self._database.write() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            owner = f"the vocabulary {vocabulary!r}"
            unit = to_unit_vector(vector, collection.space.dimension, owner)
            if not unit.any():
                raise InvalidRequest("vector", "all components are 0; a vector needs a direction")
            spelling = WordPolicy.of(collection.options).fold(word)
            record(session, AuditEvent("word.change", "changed", vocabulary))
            return upsert_word(session, collection, spelling, unit)

    def delete_word(self, vocabulary: str, word: str) -> None:
        """Delete one word. Raises VocabularyNotFound, WordNotFound."""
        with self._database.write() as session:
            collection = get_collection(session, vocabulary, VOCABULARY)
            if not delete_word(session, collection, WordPolicy.of(collection.options).fold(word)):
                raise WordNotFound(word, vocabulary, ())
            record(session, AuditEvent("word.delete", "deleted", vocabulary))

    def delete(self, name: str) -> None:
        """Delete a vocabulary with all its words. Raises VocabularyNotFound."""
        event = AuditEvent("vocabulary.delete", "deleted", name)
        delete_collection_by_name(self._database, self._index_sync, name, event, VOCABULARY)

    def export(self, name: str, format_: str) -> Iterator[bytes]:
        """Stream a vocabulary in one of the formats in WRITERS, unit vectors by rank.

        Raises VocabularyNotFound before the first piece; see `export_vocabulary`.
        """
        pieces = export_vocabulary(self._database, name, format_)
        self._database.record(AuditEvent("vocabulary.export", "exported", name))
        return pieces


def _fold(words: WordVectors) -> WordVectors:
    """The words in their folded spelling, the first of each."""
    yielded: set[str] = set()
    for word, vector in words:
        folded = fold_persian(word)
        if folded and folded not in yielded:
            yielded.add(folded)
            yield folded, vector


def _normalize(words: WordVectors) -> WordVectors:
    while block := list(islice(words, _NORMALIZED_AT_ONCE)):
        rows = l2_normalize(np.stack([vector for _, vector in block]))
        yield from zip((word for word, _ in block), rows, strict=True)


def _digest(*files: IO[bytes] | None) -> str:
    """SHA-256 of the contents of the files, in hexadecimal; rewinds each file."""
    digest = hashlib.sha256()
    for file in files:
        if file is None:
            continue
        file.seek(0)
        while block := file.read(_DIGEST_BLOCK):
            digest.update(block)
        file.seek(0)
    return digest.hexdigest()
