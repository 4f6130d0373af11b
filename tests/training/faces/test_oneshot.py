"""One-shot identification metrics on vectors that can be checked by hand."""

import numpy as np

from app.vectors import l2_normalize
from training.faces.oneshot import episodes, one_shot_rank1, open_set


def test_one_shot_rank1_by_hand() -> None:
    vectors = l2_normalize(np.array([[1, 0], [1, 0.1], [0, 1], [0.9, 0.2], [1, 1], [0, 1]]))
    identity = np.array(["a", "a", "b", "b", "c", ""])
    result = one_shot_rank1(vectors, identity)
    assert (result.people, result.probes, result.rank1) == (2, 2, 0.5)


def test_strangers_determine_the_open_set_threshold() -> None:
    """Similarities: a1-a2 0.96 and b1-b2 0.8 (both nearest), a1-stranger 0.9."""

    def at(degrees: float) -> list[float]:
        return [float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))]

    vectors = np.array([at(0), at(16), at(120), at(157), at(-26)], dtype=np.float32)
    identity = np.array(["a", "a", "b", "b", "stranger"])
    assert one_shot_rank1(vectors, identity).rank1 == 1.0
    result = open_set(vectors, identity, fpir=0.01)
    assert (result.strangers, result.fnir) == (1, 0.5), "the probe of b is below the stranger"
    assert open_set(vectors[:4], identity[:4]).strangers == 0


def test_episodes_with_more_ways_are_less_accurate() -> None:
    rng = np.random.default_rng(2)
    people = rng.normal(size=(30, 8))
    photos = people.repeat(2, axis=0) + rng.normal(0, 1.0, (60, 8))
    identity = np.array([f"p{i // 2}" for i in range(60)])
    few = episodes(l2_normalize(photos), identity, ways=2, count=300)
    many = episodes(l2_normalize(photos), identity, ways=20, count=300)
    assert 1.0 > few.accuracy > many.accuracy > 1 / 20
    assert 0.0 < few.margin < 0.05
    exact = episodes(l2_normalize(people.repeat(2, axis=0)), identity, ways=20, count=20)
    assert exact.accuracy == 1.0
    assert np.isnan(episodes(l2_normalize(photos), identity, ways=31).accuracy)
