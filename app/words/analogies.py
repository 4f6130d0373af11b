"""*king* - *man* + *woman*: two ways to combine word vectors into one question."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix, Vector, l2_normalize

_EPSILON = 1e-3  # Levy & Goldberg 2014, section 6


@dataclass(frozen=True, slots=True)
class Query:
    """Unit vectors as rows, shape (terms, dimension), and a signed weight for each."""

    vectors: Matrix
    weights: NDArray[np.float32]

    def direction(self) -> Vector:
        """3CosAdd (Mikolov et al. 2013): the weighted sum, at unit length; zero if it cancels."""
        total: Vector = self.weights @ self.vectors
        if float(np.linalg.norm(total)) < 1e-6:
            return np.zeros_like(total)
        return l2_normalize(total)


def cos_mul(query: Query, candidates: Matrix) -> NDArray[np.float64]:
    """3CosMul (Levy & Goldberg 2014, eq. 4) of each candidate, shape (n,); higher is better.

    Cosines are moved to [0, 1] first; a weight is the exponent of its term. Always finite.
    """
    shifted = ((candidates @ query.vectors.T).astype(np.float64) + 1.0) / 2.0
    terms = np.clip(np.where(query.weights > 0, shifted, shifted + _EPSILON), 1e-12, None)
    exponents = np.log(terms) @ query.weights.astype(np.float64)
    scores: NDArray[np.float64] = np.exp(np.clip(exponents, -700.0, 700.0))
    return scores
