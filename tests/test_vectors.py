"""Unit vectors, cosine and squared Euclidean distance."""

import numpy as np
import pytest

from app.vectors import cosine, l2_normalize, similarity_to_distance


def test_unit_vectors_and_distance() -> None:
    a, b = l2_normalize(np.array([[3.0, 4.0], [4.0, 3.0]]))
    assert cosine(a, b) == pytest.approx(0.96)
    assert similarity_to_distance(cosine(a, b)) == pytest.approx(float(((a - b) ** 2).sum()))
    assert not l2_normalize(np.zeros((1, 4))).any()
