"""Texts as vectors: the mean of their words."""

import re
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from app.errors import WordNotFound
from app.store.collections import Collection
from app.store.words import find_words
from app.vectors import Vector, l2_normalize
from app.words.policies import WordPolicy
from app.words.suggestions import suggest

_TOKEN = re.compile(r"\w+(?:['’\u200c-]\w+)*")  # with apostrophes, hyphens, zero-width non-joiners

LONGEST_WORD = 400  # characters of a word in the store


def words_of(text: str) -> list[str]:
    """The words of a text as they stand in it."""
    return _TOKEN.findall(text)


@dataclass(frozen=True, slots=True)
class TextVector:
    """A unit vector; which of the text's words it is made of, and which nobody knew."""

    vector: Vector
    words: tuple[str, ...]
    unknown: tuple[str, ...]


def embed_texts(session: Session, collection: Collection, texts: list[str]) -> list[TextVector]:
    """One vector a text, in order.

    A text that is a word of the vocabulary is that word. Any other is the mean of its words'
    unit vectors, each looked up as it stands, then in lower case. Raises WordNotFound for a text
    without a known word.
    """
    policy = WordPolicy.of(collection.options)

    def forms(word: str) -> list[str]:
        return [*policy.spellings(word), *policy.spellings(word.lower())]

    tokens = [words_of(text) for text in texts]
    asked = [*texts, *(word for row in tokens for word in row)]
    wanted = [form for word in asked for form in forms(word) if len(form) <= LONGEST_WORD]
    known = {text: word.vector for text, word in find_words(session, collection, wanted).items()}
    found = []
    for text, row in zip(texts, tokens, strict=True):
        whole = next((form for form in policy.spellings(text) if form in known), None)
        if whole is not None:
            found.append(TextVector(known[whole], (whole,), ()))
            continue
        used = [next((form for form in forms(word) if form in known), None) for word in row]
        words = tuple(word for word in used if word is not None)
        unknown = tuple(word for word, form in zip(row, used, strict=True) if form is None)
        if not words:
            raise WordNotFound(
                text[:LONGEST_WORD], collection.name, suggest(session, collection, text)
            )
        mean = l2_normalize(np.mean([known[word] for word in words], axis=0))
        found.append(TextVector(mean, words, unknown))
    return found
