"""Impostor means: how similar a face is to the strangers most like it, in a balanced cohort.

A cohort with too many faces of one group would correct that group too much and leave the others
behind, so each group and source contributes the same number of people.
"""

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix

NEAREST = 10
"""Strangers whose mean similarity is a face's impostor mean; chosen on held-out people (ADR 17)."""

PER_GROUP = 500
"""People of each group that a cohort has at most."""

_BLOCK = 4_096


def balanced(
    group: NDArray[np.str_], person: NDArray[np.str_], seed: int = 0, most: int = PER_GROUP
) -> NDArray[np.int64]:
    """Rows of a cohort: of each group at most `most` people, one face a person."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(person))
    _, first = np.unique(person[rows], return_index=True)
    one_each = rows[np.sort(first)]
    parts = [one_each[group[one_each] == name][:most] for name in np.unique(group)]
    return np.sort(np.concatenate(parts))


def impostor_means(
    embeddings: Matrix, person: NDArray[np.str_], cohort: Matrix, cohort_person: NDArray[np.str_]
) -> NDArray[np.float32]:
    """Mean similarity of each face to the NEAREST cohort faces of other people, shape (n,)."""
    means = np.empty(len(embeddings), dtype=np.float32)
    for start in range(0, len(embeddings), _BLOCK):
        rows = slice(start, start + _BLOCK)
        similarity = embeddings[rows] @ cohort.T
        similarity[person[rows, None] == cohort_person[None]] = -1.0
        means[rows] = np.partition(similarity, -NEAREST, axis=1)[:, -NEAREST:].mean(axis=1)
    return means
