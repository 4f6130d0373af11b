"""Types and functions of embeddings: spaces, unit vectors, similarity and distance."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One embedding, shape (dimension,), float32, unit length unless stated otherwise."""

Matrix = NDArray[np.float32]
"""Embeddings as rows, shape (n, dimension), float32, C-contiguous."""

Ids = NDArray[np.int64]
"""Database keys (`row_id`) of templates, shape (n,), int64."""

SCORE_TOLERANCE = 1e-5
"""Scores that differ by less are equal: one pair is rounded differently in different products."""

_SMALLEST_NORM = 1e-12


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """The vector space of a model. Only vectors of the same space can be compared.

    `digest` identifies the weights and the preprocessing: a different normalisation, alignment
    template or model file is a different space.
    """

    name: str
    digest: str
    dimension: int


class Neighbor(NamedTuple):
    """A stored template near a probe: its database key and its cosine similarity, -1 to 1."""

    row_id: int
    similarity: float


def l2_normalize(vectors: NDArray[np.floating]) -> Matrix:
    """Scales every row (last axis) to unit length; same shape, float32.

    A zero row remains zero and has similarity 0 to every vector.
    """
    wide = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.ascontiguousarray(wide / np.maximum(norms, _SMALLEST_NORM), dtype=np.float32)


def cosine(a: Vector, b: Vector) -> float:
    """Similarity of two unit vectors, clipped to [-1, 1]."""
    return float(np.clip(np.dot(a, b), -1.0, 1.0))


def similarity_to_distance(similarity: float) -> float:
    """Squared Euclidean distance of unit vectors, 0 to 4 (FaceNet, Schroff et al. 2015)."""
    return 2.0 - 2.0 * similarity
