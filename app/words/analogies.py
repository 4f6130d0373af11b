"""Combines words and vectors into one query vector and scores analogies (3CosAdd, 3CosMul)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRequest
from app.store.collections import Collection
from app.vectors import Matrix, Vector, l2_normalize
from app.words.lookup import Lookup
from app.words.raw_vectors import to_unit_vector

EPSILON = 1e-3  # Levy & Goldberg 2014, section 6
_ZERO_NORM = 1e-6


@dataclass(frozen=True, slots=True)
class Term:
    """One operand of a query: a word or a raw vector (exactly one of the two), with a weight."""

    word: str | None = None
    vector: tuple[float, ...] | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Query:
    """Unit vectors of the terms as rows, shape (terms, dimension), and their signed weights."""

    vectors: Matrix
    weights: NDArray[np.float32]

    def direction(self) -> Vector:
        """3CosAdd (Mikolov et al. 2013): the weighted sum at unit length, shape (dimension,).

        Raises InvalidRequest where the terms cancel each other.
        """
        total: Vector = self.weights @ self.vectors
        if float(np.linalg.norm(total)) < _ZERO_NORM:
            raise InvalidRequest(
                "positive", "the weighted sum of the terms is zero; it has no direction"
            )
        return l2_normalize(total)


def build_query(
    collection: Collection, positive: Sequence[Term], negative: Sequence[Term], lookup: Lookup
) -> Query:
    """The query for signed terms. `lookup` has the words of the terms in order; words that the
    vocabulary skips are left out. Raises InvalidRequest for a vector of another dimension."""
    words = iter(lookup.words)
    owner, dimension = f"the vocabulary {collection.name!r}", collection.space.dimension
    rows: list[Vector] = []
    weights: list[float] = []
    for sign, terms in ((1.0, positive), (-1.0, negative)):
        for term in terms:
            if term.word is None:
                rows.append(to_unit_vector(term.vector or (), dimension, owner))
            elif (word := next(words)) is not None:
                rows.append(word.vector)
            else:
                continue
            weights.append(sign * term.weight)
    return Query(np.stack(rows), np.array(weights, dtype=np.float32))


def cos_mul(query: Query, candidates: Matrix) -> NDArray[np.float64]:
    """3CosMul (Levy & Goldberg 2014, eq. 4) of each candidate, shape (n,); higher is better.

    Cosines are first shifted to [0, 1]; the weight of a term is its exponent. The result is
    always finite.
    """
    shifted = ((candidates @ query.vectors.T).astype(np.float64) + 1.0) / 2.0
    terms = np.clip(np.where(query.weights > 0, shifted, shifted + EPSILON), 1e-12, None)
    exponents = np.log(terms) @ query.weights.astype(np.float64)
    scores: NDArray[np.float64] = np.exp(np.clip(exponents, -700.0, 700.0))
    return scores
