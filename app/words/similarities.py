"""Cosine similarities between words, and the word that fits a list least."""

from dataclasses import dataclass

import numpy as np

from app.errors import InvalidRequest
from app.vectors import Vector, l2_normalize
from app.words.lookup import Canonical, Lookup

_MIN_ODD_ONE_OUT = 3  # among fewer words none is the odd one


@dataclass(frozen=True, slots=True)
class Similarities:
    """One cosine per pair of words; None where a word was skipped."""

    values: list[float | None]
    canonical: Canonical


@dataclass(frozen=True, slots=True)
class SimilarityMatrix:
    """Cosines of all words with all words, n rows of n; None where a word was skipped."""

    rows: list[list[float | None]]
    canonical: Canonical


@dataclass(frozen=True, slots=True)
class OddOneOut:
    """`similarities` of each word to the mean of all, in request order; None if skipped."""

    word: str
    similarities: list[float | None]
    canonical: Canonical


def pair_similarities(lookup: Lookup) -> Similarities:
    """The similarities of the first and second word, the third and fourth, and so on."""
    vectors = lookup.vectors()
    return Similarities(_cosines((vectors[::2] * vectors[1::2]).sum(axis=1)), lookup.canonical)


def similarity_matrix(lookup: Lookup) -> SimilarityMatrix:
    """The similarities of all words with all words."""
    vectors = lookup.vectors()
    return SimilarityMatrix([_cosines(row) for row in vectors @ vectors.T], lookup.canonical)


def odd_one_out(lookup: Lookup) -> OddOneOut:
    """The word least similar to the mean of all. Raises InvalidRequest below three known words."""
    known = len(lookup.known)
    if known < _MIN_ODD_ONE_OUT:
        raise InvalidRequest(
            "words",
            f"only {known} of {len(lookup.words)} words are in the vocabulary; "
            f"at least {_MIN_ODD_ONE_OUT} must be",
        )
    vectors = lookup.vectors()
    similarities = vectors @ l2_normalize(np.nanmean(vectors, axis=0))
    word = lookup.requested[int(np.nanargmin(similarities))]
    return OddOneOut(word, _cosines(similarities), lookup.canonical)


def _cosines(dots: Vector) -> list[float | None]:
    """Dot products of unit vectors clipped to [-1, 1]; None for NaN."""
    return [None if np.isnan(dot) else float(np.clip(dot, -1, 1)) for dot in dots]
