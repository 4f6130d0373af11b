"""The check of the extrapolated tail."""

import numpy as np
import pytest

from app.faces.decisions.scores import ScoreDistribution
from app.faces.decisions.tail_check import check_tail


def distribution(scores: np.ndarray) -> ScoreDistribution:
    found = ScoreDistribution()
    found.add(scores.astype(np.float32))
    return found


def test_a_smooth_tail_is_extrapolated_to_the_measured_threshold() -> None:
    scores = np.random.default_rng(0).normal(0.1, 0.1, 1_000_000)
    check = check_tail(distribution(scores))
    assert check is not None
    assert check.rate == pytest.approx(1e-5)
    assert check.measured == pytest.approx(0.1 + 0.1 * 4.265, abs=0.02)
    assert check.mean == pytest.approx(check.measured, abs=0.02)
    assert check.lowest <= check.mean <= check.highest


def test_pairs_of_one_person_among_the_impostors_show_as_an_error_of_the_tail() -> None:
    """Thirty of a million pairs show one person: a tenth of the pairs cannot foresee them."""
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(0.1, 0.05, 1_000_000), np.full(30, 0.8)])
    check = check_tail(distribution(scores))
    assert check is not None
    assert check.measured - check.mean > 0.2


def test_a_small_group_is_not_checked() -> None:
    assert check_tail(distribution(np.linspace(0.0, 0.5, 50_000))) is None
