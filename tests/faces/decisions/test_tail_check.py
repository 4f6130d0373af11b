"""The check of the extrapolated tail."""

import numpy as np
import pytest

from app.faces.decisions.calibration import tail_scores
from app.faces.decisions.scores import LabelledFaces, ScoreDistribution, impostor_scores
from app.faces.decisions.tail import prior_of
from app.faces.decisions.tail_check import check_small_group, check_tail
from app.vectors import l2_normalize


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


def random_faces(seed: int) -> LabelledFaces:
    embeddings = l2_normalize(np.random.default_rng(seed).normal(size=(800, 16)))
    person = np.array([f"person {n}" for n in range(800)])
    return LabelledFaces(embeddings, person, person, np.zeros(800, dtype=np.float32))


def test_few_people_are_compared_with_all_of_their_group() -> None:
    faces = random_faces(0)
    prior = prior_of([tail_scores(impostor_scores(random_faces(1)))])
    check = check_small_group(faces, prior)
    assert check is not None
    assert check.rate == pytest.approx(10 / (800 * 799 / 2))
    assert 0.0 < check.shared < check.alone < 0.1
    assert check_small_group(faces.take(np.arange(300)), prior) is None
