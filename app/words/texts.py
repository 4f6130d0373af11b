"""Texts as vectors: the mean of their words."""

import re
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from app.errors import WordNotFound
from app.store.collections import Collection
from app.store.words import find_words
from app.vectors import Vector, l2_normalize
from app.words.suggestions import suggest

_TOKEN = re.compile(r"\w+(?:['’\u200c-]\w+)*")  # with apostrophes, hyphens, zero-width non-joiners


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
    tokens = [_TOKEN.findall(text) for text in texts]
    asked = [*texts, *(form for row in tokens for word in row for form in (word, word.lower()))]
    known = {text: word.vector for text, word in find_words(session, collection, asked).items()}
    found = []
    for text, row in zip(texts, tokens, strict=True):
        if text in known:
            found.append(TextVector(known[text], (text,), ()))
            continue
        used = [word if word in known else word.lower() for word in row]
        words = tuple(word for word in used if word in known)
        unknown = tuple(word for word, form in zip(row, used, strict=True) if form not in known)
        if not words:
            raise WordNotFound(text, collection.name, suggest(session, collection, text))
        mean = l2_normalize(np.mean([known[word] for word in words], axis=0))
        found.append(TextVector(mean, words, unknown))
    return found
