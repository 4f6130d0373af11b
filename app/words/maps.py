"""Places the words around a word in the plane."""

from dataclasses import dataclass

import numpy as np

from app.vectors import Matrix
from app.words.neighbors import WordNeighbor


@dataclass(frozen=True, slots=True)
class WordPoint:
    """A word of the map; `similarity` is its cosine similarity to the word in the middle."""

    word: str
    rank: int
    similarity: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class WordMap:
    """The word in the middle and its neighbors, most similar first, as points of a plane.

    `explained_variance` are the shares of the variance of all vectors that lie along x and y.
    """

    points: list[WordPoint]
    explained_variance: tuple[float, float]


def map_of(center: WordNeighbor, neighbors: list[WordNeighbor], vectors: Matrix) -> WordMap:
    """The plane of the two principal components of the vectors, shape (1 + neighbors, dimension).

    `vectors` has the vector of `center` first. The first component is the x axis. The sign of each
    component is such that its largest coordinate is positive, so that equal queries give equal
    maps.
    """
    positions, shares = _principal_plane(vectors)
    words = [center, *neighbors]
    points = [
        WordPoint(one.word, one.rank, one.similarity, float(x), float(y))
        for one, (x, y) in zip(words, positions, strict=True)
    ]
    return WordMap(points, shares)


def _principal_plane(vectors: Matrix) -> tuple[Matrix, tuple[float, float]]:
    """Coordinates (n, 2) by principal component analysis (Pearson 1901), and explained shares."""
    centered = (vectors - vectors.mean(axis=0)).astype(np.float64)
    left, singular, _ = np.linalg.svd(centered, full_matrices=False)
    positions = np.zeros((len(vectors), 2))
    present = min(2, len(singular))
    positions[:, :present] = left[:, :present] * singular[:present]
    largest = positions[np.abs(positions).argmax(axis=0), [0, 1]]
    positions *= np.where(largest < 0, -1.0, 1.0)
    variance = np.zeros(2)
    variance[:present] = singular[:present] ** 2
    shares = variance / max(float((singular**2).sum()), np.finfo(np.float64).tiny)
    return positions.astype(np.float32), (float(shares[0]), float(shares[1]))
