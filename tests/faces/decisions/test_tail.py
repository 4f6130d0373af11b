"""The extrapolated tail against distributions whose tails are known."""

import numpy as np
import pytest

from app.faces.decisions.tail import ParetoTail, fit_tail


def test_fit_recovers_an_exponential_tail() -> None:
    rng = np.random.default_rng(0)
    scores = np.sort(0.2 + rng.exponential(0.03, 400_000))
    tail = fit_tail(scores[-2_000:], len(scores))
    assert tail.shape == pytest.approx(0.0, abs=0.08)
    assert tail.threshold_at(1e-6) == pytest.approx(0.2 + 0.03 * np.log(1e6), rel=0.06)


def test_bounded_scores_have_a_bounded_tail() -> None:
    rng = np.random.default_rng(1)
    scores = np.sort(rng.beta(2, 3, 400_000))
    tail = fit_tail(scores[-2_000:], len(scores))
    assert tail.shape < -0.1
    assert tail.threshold_at(1e-12) < 1.1


def test_threshold_at_the_start_is_the_start() -> None:
    for shape in (0.0, -0.2):
        tail = ParetoTail(start=0.4, rate=1e-3, shape=shape, scale=0.03)
        assert tail.threshold_at(1e-3) == pytest.approx(0.4)
        assert tail.threshold_at(1e-4) > 0.4
