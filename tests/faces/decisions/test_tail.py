"""The extrapolated tail against distributions whose tails are known."""

import numpy as np
import pytest

from app.faces.decisions.tail import (
    ParetoTail,
    TailPrior,
    fit_tail,
    fitted_scale,
    prior_of,
    priors,
    shared_shape,
)


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


def test_groups_share_the_shape_of_their_tails() -> None:
    """Scores of all groups have the shape -0.25 of a beta distribution with b = 4."""
    rng = np.random.default_rng(2)
    small = [np.sort(rng.beta(2, 4, 25_000))[-126:] for _ in range(6)]
    large = np.sort(rng.beta(2, 4, 1_000_000))[-5_000:]
    shape = shared_shape([*small, large])
    assert shape == pytest.approx(-0.25, abs=0.05)
    # A share of (1 - x)^4 (1 + 4x) exceeds x.
    truth = 1.0 - (1e-6 / 4.915) ** 0.25
    alone = [fit_tail(largest, 25_000).threshold_at(1e-6) - truth for largest in small]
    known = priors([*small, large])
    shared = [
        fit_tail(largest, 25_000, prior).threshold_at(1e-6) - truth
        for largest, prior in zip(small, known[:-1], strict=True)
    ]
    assert np.std(shared) < 0.6 * np.std(alone)
    assert prior_of(small).shape == pytest.approx(-0.25, abs=0.1)


def test_the_scale_of_few_scores_is_drawn_halfway_to_that_of_the_other_groups() -> None:
    rng = np.random.default_rng(4)
    small = np.sort(0.2 + rng.exponential(0.05, 20_000))[-101:]
    others = [np.sort(0.2 + rng.exponential(0.03, 1_000_000))[-5_001:] for _ in range(2)]
    first, second, _ = priors([small, *others])
    own, drawn = fitted_scale(small, first.shape), fit_tail(small, 20_000, first).scale
    assert first.scale == pytest.approx(0.03, rel=0.1)
    assert drawn == pytest.approx((own + first.scale) / 2)
    assert fit_tail(others[0], 1_000_000, second).scale == pytest.approx(0.03, rel=0.1)


def test_the_only_group_has_a_scale_of_its_own() -> None:
    largest = np.sort(0.2 + np.random.default_rng(5).exponential(0.05, 20_000))[-101:]
    [prior] = priors([largest])
    assert fit_tail(largest, 20_000, prior) == fit_tail(largest, 20_000)


def test_a_heavy_tail_is_taken_for_an_exponential_one() -> None:
    rng = np.random.default_rng(3)
    largest = np.sort(0.2 + 0.03 * rng.pareto(3.0, 100_000))[-500:]
    assert shared_shape([largest]) == 0.0
    assert fit_tail(largest, 100_000, TailPrior(0.4, 0.03)).shape == 0.0
