"""Embeds texts as the mean of their word vectors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from app.errors import WordNotFound
from app.errors_words import UnknownText
from app.store.collections import Collection
from app.store.words import find_words
from app.vectors import Vector, l2_normalize
from app.words.policies import WordPolicy
from app.words.records import MAX_WORD_LENGTH
from app.words.suggestions import suggest

# Words may contain apostrophes, hyphens and zero-width non-joiners.
_TOKEN = re.compile(r"\w+(?:['’\u200c-]\w+)*")


def tokenize(text: str) -> list[str]:
    """The words of a text, spelled as in the text."""
    return _TOKEN.findall(text)


@dataclass(frozen=True, slots=True)
class TextVector:
    """The unit vector of a text, the words that it is the mean of, and the unknown words."""

    vector: Vector
    words: tuple[str, ...]
    unknown: tuple[str, ...]


def embed_texts(
    session: Session, collection: Collection, texts: Sequence[str]
) -> Sequence[TextVector]:
    """One unit vector per text, in order.

    A text that is a word of the vocabulary gets the vector of that word. Any other text gets the
    mean of the unit vectors of its words; each word is looked up as written, then in lower case.
    Raises WordNotFound for a text without a known word; UnknownText if it is one of several.
    """
    policy = WordPolicy.of(collection.options)

    def spellings(word: str) -> list[str]:
        return [*policy.spellings(word), *policy.spellings(word.lower())]

    tokens = [tokenize(text) for text in texts]
    candidates = [*texts, *(word for row in tokens for word in row)]
    forms = [form for text in candidates for form in spellings(text)]
    short = [form for form in forms if len(form) <= MAX_WORD_LENGTH]
    known = {text: word.vector for text, word in find_words(session, collection, short).items()}
    text_vectors = []
    for position, (text, row) in enumerate(zip(texts, tokens, strict=True)):
        whole = next((form for form in policy.spellings(text) if form in known), None)
        if whole is not None:
            text_vectors.append(TextVector(known[whole], (whole,), ()))
            continue
        matches = [next((form for form in spellings(word) if form in known), None) for word in row]
        words = tuple(form for form in matches if form is not None)
        unknown = tuple(word for word, form in zip(row, matches, strict=True) if form is None)
        if not words:
            suggestions, shown = suggest(session, collection, text), text[:MAX_WORD_LENGTH]
            if len(texts) == 1:
                raise WordNotFound(shown, collection.name, suggestions)
            raise UnknownText(position, shown, collection.name, suggestions)
        mean = l2_normalize(np.mean([known[word] for word in words], axis=0))
        text_vectors.append(TextVector(mean, words, unknown))
    return text_vectors
