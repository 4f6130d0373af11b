"""3CosMul on vectors that can be checked by hand."""

import numpy as np
import pytest

from app.words.analogies import Query, cos_mul


def test_cos_mul_by_hand() -> None:
    """Levy & Goldberg 2014, eq. 4, with cosines shifted to [0, 1]."""
    query = Query(np.eye(2, dtype=np.float32), np.array([1.0, -1.0], dtype=np.float32))
    candidate = np.array([[0.6, 0.8]], dtype=np.float32)
    assert cos_mul(query, candidate)[0] == pytest.approx(0.8 / (0.9 + 0.001), rel=1e-5)


def test_cos_mul_is_finite_for_extreme_weights() -> None:
    vectors = np.array([[1, 0], [-1, 0], [0, 1]], dtype=np.float32)
    query = Query(vectors, np.array([100.0, -100.0, 0.0], dtype=np.float32))
    assert np.isfinite(cos_mul(query, vectors)).all()
