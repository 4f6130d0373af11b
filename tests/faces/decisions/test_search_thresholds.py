"""Thresholds of searches relative to the gallery."""

import numpy as np
import pytest
from pydantic import ValidationError

from app.faces.decisions.scores import LabelledFaces
from app.faces.decisions.search_calibration import (
    WEIGHT,
    measure_own_searches,
    measure_searches,
)
from app.faces.decisions.search_thresholds import SEARCHED, SearchThresholds, resemblance_of
from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import SearchCalibration, read_manifest
from app.vectors import Matrix, l2_normalize
from tests.faces.decisions.test_thresholds import TABLE
from tests.models import SHIPPED

SEARCH = SearchCalibration(
    weight=0.75, fewest_people=40, most_people=600, fpir=(0.1, 0.01), threshold=(0.3, 0.4)
)


@pytest.fixture
def thresholds() -> SearchThresholds:
    return SearchThresholds(SEARCH, Thresholds(TABLE))


def test_the_logarithm_of_the_rate_is_linear(thresholds: SearchThresholds) -> None:
    assert thresholds.threshold(0.1, 40) == pytest.approx(0.3)
    assert thresholds.threshold(0.0316227766, 600) == pytest.approx(0.35)
    assert thresholds.threshold(0.001, 600) == pytest.approx(0.5), "the last slope is extrapolated"
    assert thresholds.threshold(0.5, 600) == pytest.approx(0.3), "not below the first knot"
    assert thresholds.threshold(1e-9, 600) < 1.0


def test_beyond_the_measured_galleries_it_rises_with_their_size(
    thresholds: SearchThresholds,
) -> None:
    assert thresholds.threshold(0.01, 40) == thresholds.threshold(0.01, 600)
    table = Thresholds(TABLE)
    rise = table.for_fpir(0.01, 6_000) - table.for_fpir(0.01, 600)
    assert rise > 0
    assert thresholds.threshold(0.01, 6_000) == pytest.approx(0.4 + 0.25 * rise)


def test_of_a_gallery_and_its_model_the_lower_decides() -> None:
    own = SEARCH.model_copy(update={"threshold": (0.2, 0.5)})
    model = SearchThresholds(SEARCH, Thresholds(TABLE))
    both = SearchThresholds(own, Thresholds(TABLE), model)
    assert both.threshold(0.1, 100) == pytest.approx(0.2)
    assert both.threshold(0.01, 100) == pytest.approx(0.4)
    other = own.model_copy(update={"weight": 0.5})
    alone = SearchThresholds(other, Thresholds(TABLE), model)
    assert alone.threshold(0.01, 100) == pytest.approx(0.5), "not comparable"


def test_the_resemblance_leaves_out_the_two_best(thresholds: SearchThresholds) -> None:
    scores = [0.9, 0.8, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert len(scores) == SEARCHED
    assert resemblance_of(scores) == pytest.approx(0.3)
    assert resemblance_of([*scores, 0.0]) == pytest.approx(0.3)
    assert resemblance_of(scores[:-1]) is None, "too few people"


@pytest.mark.parametrize(
    "wrong",
    [
        {"fpir": (0.01, 0.1)},
        {"threshold": (0.4, 0.4)},
        {"fpir": (0.1,), "threshold": (0.3,)},
        {"most_people": 30},
        {"weight": 0.0},
    ],
)
def test_an_invalid_calibration_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SearchCalibration.model_validate(SEARCH.model_dump() | wrong)


def crowd(people: int, shared: float, seed: int) -> Matrix:
    """Unit vectors of people who have the similarity `shared` to each other on average."""
    rng = np.random.default_rng(seed)
    own = l2_normalize(rng.normal(size=(people, 128)))
    return l2_normalize(np.sqrt(shared) * np.eye(1, 128) + np.sqrt(1.0 - shared) * own)


def test_strangers_of_every_group_match_at_most_at_the_rate() -> None:
    """Two groups, one of them of people who resemble each other more; the strangers are new."""
    shares = {"alike": 0.4, "different": 0.05}
    vectors = np.concatenate([crowd(400, share, 1) for share in shares.values()])
    group = np.repeat(list(shares), 400)
    faces = LabelledFaces(
        vectors, np.arange(800).astype(str), group, np.zeros(800, dtype=np.float32)
    )
    search = measure_searches(faces, {name: group == name for name in shares})
    assert search is not None
    assert (search.weight, search.fewest_people, search.most_people) == (WEIGHT, 40, 300)
    limit = search.threshold[search.fpir.index(0.01)]
    for share in shares.values():
        scores = crowd(2_000, share, 2) @ crowd(100, share, 3).T
        best = -np.sort(-scores, axis=1)
        resemblance = np.array([resemblance_of(row) for row in best.tolist()])
        assert (best[:, 0] - WEIGHT * resemblance >= limit).mean() <= 0.015


def test_too_few_people_give_no_thresholds() -> None:
    faces = LabelledFaces(
        crowd(50, 0.1, 1), np.arange(50).astype(str), np.full(50, ""), np.zeros(50, np.float32)
    )
    assert measure_searches(faces, {"all": np.full(50, True)}) is None


def faces_of(vectors: Matrix) -> LabelledFaces:
    """One face of each person."""
    count = len(vectors)
    return LabelledFaces(
        vectors, np.arange(count).astype(str), np.full(count, ""), np.zeros(count, np.float32)
    )


@pytest.mark.parametrize("people", [60, 400])
def test_a_gallery_measures_its_own_searches(people: int) -> None:
    """At the rate of 0.01, of which 60 people measure nothing, and at one that they measure."""
    own = measure_own_searches(faces_of(crowd(people, 0.3, 4)))
    assert own is not None
    assert (own.fewest_people, own.most_people) == (40, people)
    scores = -np.sort(-(crowd(3_000, 0.3, 5) @ crowd(people, 0.3, 4).T), axis=1)
    resemblance = np.array([resemblance_of(row) for row in scores.tolist()])
    excess = scores[:, 0] - WEIGHT * resemblance
    for rate in (0.1, 0.01):
        matched = (excess >= own.threshold[own.fpir.index(rate)]).mean()
        assert 0.05 * rate <= matched <= 1.6 * rate


def test_further_photos_of_a_person_are_no_strangers() -> None:
    once = faces_of(crowd(100, 0.2, 6))
    twice = once.take(np.repeat(np.arange(100), 2))
    assert measure_own_searches(twice) == measure_own_searches(once)


def test_a_small_gallery_measures_no_searches() -> None:
    assert measure_own_searches(faces_of(crowd(39, 0.2, 7))) is None
    assert measure_own_searches(faces_of(crowd(3, 0.2, 7))) is None


def test_the_shipped_models_have_them() -> None:
    for folder in SHIPPED.parent.glob("sima-face-*"):
        search = read_manifest(folder).search
        assert search is not None, folder.name
        assert search.weight == WEIGHT
