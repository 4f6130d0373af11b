"""From words as somebody wrote them to words as a vocabulary holds them."""

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
"""From each word that was asked to its spelling in the vocabulary; None where it was skipped."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One item a word asked, in order; None for those that the policy skips."""

    asked: tuple[str, ...]
    words: tuple[Word | None, ...]

    @property
    def canonical(self) -> Canonical:
        """What each word was taken for."""
        pairs = zip(self.asked, self.words, strict=True)
        return {asked: word.text if word is not None else None for asked, word in pairs}

    @property
    def known(self) -> list[Word]:
        """Without the skipped ones."""
        return [word for word in self.words if word is not None]

    def vectors(self) -> Matrix:
        """Unit vectors, shape (words, dimension); rows of NaN for skipped words."""
        size = len(self.known[0].vector)
        nothing = np.full(size, np.nan, dtype=np.float32)
        return np.stack([nothing if word is None else word.vector for word in self.words])


def look_up(session: Session, collection: Collection, asked: Sequence[str]) -> Lookup:
    """Find every word under the vocabulary's policy.

    Raises WordNotFound for the first unknown word; where the policy skips, only if all are.
    """
    return _resolve(session, collection, asked, (), {})


def look_up_in(
    session: Session, vocabulary: str, asked: Sequence[str]
) -> tuple[Collection, Lookup]:
    """The vocabulary of this name with what `look_up` finds in it, in one statement where each
    word is there as it is written. Raises VocabularyNotFound, WordNotFound."""
    collection, known = open_vocabulary(session, vocabulary, asked)
    return collection, _resolve(session, collection, asked, asked, known)


def _resolve(
    session: Session,
    collection: Collection,
    asked: Sequence[str],
    sought: Sequence[str],
    known: dict[str, Word],
) -> Lookup:
    """`known` are those of the words `sought` that are there; what else may count is looked for."""
    policy = WordPolicy.of(collection.options)
    spellings = [policy.spellings(word) for word in asked]
    others = {form for forms in spellings for form in forms}.difference(sought)
    known = known | find_words(session, collection, sorted(others))
    found = [next((known[form] for form in forms if form in known), None) for forms in spellings]
    missing = [word for word, there in zip(asked, found, strict=True) if there is None]
    if missing and (policy.unknown != "skip" or len(missing) == len(found)):
        raise not_found(session, collection, missing[0])
    return Lookup(tuple(asked), tuple(found))


def not_found(session: Session, collection: Collection, word: str) -> WordNotFound:
    """The error for an unknown word, with what it may have meant."""
    forms = WordPolicy.of(collection.options).spellings(word)
    close = suggest(session, collection, forms[0] if forms else word)
    return WordNotFound(word, collection.name, close)
