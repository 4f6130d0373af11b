"""Confidence intervals of error rates, checked by simulation."""

import numpy as np

from app.faces.decisions.intervals import genuine_interval, impostor_interval


def simulate(people: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hits and pairs of each person where some people are similar to many: a common effect."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(scale=spread, size=people)
    score = effect[:, None] + effect[None] + np.triu(rng.normal(size=(people, people)), 1)
    upper = np.triu(np.ones((people, people), dtype=bool), 1)
    hit = upper & (score > 2.0 * np.sqrt(1 + 2 * spread**2))
    return hit.sum(0) + hit.sum(1), np.full(people, people - 1)


def test_impostor_interval_holds_its_level_where_people_differ() -> None:
    """Intervals that took pairs for independent would contain the rate in a third of the runs."""
    truth = 0.02275  # P(standard normal > 2)
    covered = 0
    for seed in range(100):
        low, high = impostor_interval(*simulate(120, 0.5, seed))
        covered += low <= truth <= high
    assert covered >= 85


def test_impostor_interval_is_narrow_where_pairs_are_independent() -> None:
    low, high = impostor_interval(*simulate(120, 0.0, 1))
    n = 120 * 119 / 2
    assert high - low < 1.6 * 2 * 1.96 * np.sqrt(0.02275 * 0.97725 / n)


def test_genuine_interval_counts_people_not_pairs() -> None:
    hits, pairs = np.array([10, 0, 0, 0] * 10), np.full(40, 10)
    low, high = genuine_interval(hits, pairs)
    assert low < 0.16 and high > 0.37  # 40 people, not 400 pairs
    low, high = genuine_interval(np.zeros(40, dtype=np.int64), pairs)
    assert low == 0.0 and 0.05 < high < 0.12
