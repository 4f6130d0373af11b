"""Suggests known words for an unknown one: by case, diacritics and edit distance."""

import unicodedata

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.words import find_words, frequent_texts

_SEARCHED_RANKS = 50_000  # words compared by edit distance
_MAX_LENGTH = 40  # longer words are not compared by edit distance
_MAX_SUGGESTIONS = 5


def suggest(session: Session, collection: Collection, word: str) -> tuple[str, ...]:
    """At most five known words, best first.

    First the same word in another case or without diacritics, then frequent words by
    Damerau-Levenshtein distance: at most one edit per three characters.
    """
    variants = _variants(word)
    known = find_words(session, collection, variants)
    found = [variant for variant in variants if variant in known]
    if len(word) <= _MAX_LENGTH:
        near = process.extract(
            word.lower(),
            frequent_texts(session, collection, _SEARCHED_RANKS),
            scorer=DamerauLevenshtein.distance,
            score_cutoff=max(1, len(word) // 3),
            limit=_MAX_SUGGESTIONS,
        )
        found += [text for text, _, _ in near if text not in found]
    return tuple(found[:_MAX_SUGGESTIONS])


def _variants(word: str) -> list[str]:
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", word)
        if not unicodedata.combining(letter)
    )
    forms = [word.lower(), word.upper(), word.capitalize(), plain, plain.lower()]
    return [form for form in dict.fromkeys(forms) if form != word]
