"""Looks words up in a vocabulary under its spelling policy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from app.errors import WordNotFound
from app.store.collections import Collection
from app.store.words import Word, find_words, open_vocabulary
from app.vectors import Matrix
from app.words.policies import WordPolicy
from app.words.suggestions import suggest

Canonical = dict[str, str | None]
"""Each requested word and its spelling in the vocabulary; None for a skipped word."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The words found for the requested texts, in the same order; None for skipped words."""

    requested: tuple[str, ...]
    words: tuple[Word | None, ...]

    @property
    def canonical(self) -> Canonical:
        """The spelling in the vocabulary of each requested word."""
        pairs = zip(self.requested, self.words, strict=True)
        return {text: word.text if word is not None else None for text, word in pairs}

    @property
    def known(self) -> list[Word]:
        """The found words, without skipped ones."""
        return [word for word in self.words if word is not None]

    def vectors(self) -> Matrix:
        """Unit vectors, shape (words, dimension); rows of NaN for skipped words."""
        nan_row = np.full(len(self.known[0].vector), np.nan, dtype=np.float32)
        return np.stack([nan_row if word is None else word.vector for word in self.words])


def look_up(session: Session, collection: Collection, texts: Sequence[str]) -> Lookup:
    """Find every text under the vocabulary's policy.

    Raises WordNotFound for the first unknown word; under the policy `skip` only if all words are
    unknown.
    """
    return _resolve(session, collection, texts, (), {})


def look_up_in(
    session: Session, vocabulary: str, texts: Sequence[str]
) -> tuple[Collection, Lookup]:
    """The vocabulary of this name and the result of `look_up` in it.

    One statement suffices if the vocabulary contains each word as written. Raises
    VocabularyNotFound, WordNotFound.
    """
    collection, found = open_vocabulary(session, vocabulary, texts)
    return collection, _resolve(session, collection, texts, texts, found)


def _resolve(
    session: Session,
    collection: Collection,
    texts: Sequence[str],
    searched: Sequence[str],
    found: dict[str, Word],
) -> Lookup:
    """`found` are the words among the texts `searched` so far; other spellings are queried."""
    policy = WordPolicy.of(collection.options)
    spellings = [policy.spellings(text) for text in texts]
    others = {form for forms in spellings for form in forms}.difference(searched)
    found = found | find_words(session, collection, sorted(others))
    words = [next((found[form] for form in forms if form in found), None) for forms in spellings]
    unknown = [text for text, word in zip(texts, words, strict=True) if word is None]
    if unknown and (policy.unknown != "skip" or len(unknown) == len(words)):
        raise word_not_found(session, collection, unknown[0])
    return Lookup(tuple(texts), tuple(words))


def word_not_found(session: Session, collection: Collection, text: str) -> WordNotFound:
    """The error for an unknown word, with suggestions."""
    spellings = WordPolicy.of(collection.options).spellings(text)
    suggestions = suggest(session, collection, spellings[0] if spellings else text)
    return WordNotFound(text, collection.name, suggestions)
