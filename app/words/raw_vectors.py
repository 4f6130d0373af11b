"""Validates vectors that clients send."""

from collections.abc import Sequence

import numpy as np

from app.errors import InvalidRequest
from app.vectors import Vector, l2_normalize


def to_unit_vector(values: Sequence[float], dimension: int, owner: str) -> Vector:
    """The values at unit length, float32, shape (dimension,); zeros stay zeros.

    `owner` names in the error what has vectors of this dimension, e.g. "the vocabulary 'news'".
    Raises InvalidRequest for another number of components.
    """
    if len(values) != dimension:
        sent = "1 component" if len(values) == 1 else f"{len(values)} components"
        raise InvalidRequest("vector", f"vector has {sent}; {owner} has {dimension}")
    return l2_normalize(np.asarray(values, dtype=np.float32))
