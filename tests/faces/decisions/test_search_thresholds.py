"""Thresholds of searches relative to the gallery."""

import numpy as np
import pytest
from pydantic import ValidationError

from app.faces.decisions.scores import LabelledFaces
from app.faces.decisions.search_calibration import (
    PAIR_SIZES,
    PROBE_SIZES,
    WEIGHT,
    measure_own_searches,
    measure_searches,
)
from app.faces.decisions.search_thresholds import (
    FEWEST_PEOPLE,
    PAIRS_UP_TO,
    SEARCHED,
    RelativeThreshold,
    SearchThresholds,
    resemblance_of,
)
from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import SearchCalibration, SearchTable, read_manifest
from app.vectors import Matrix, l2_normalize
from tests.faces.decisions.test_thresholds import TABLE
from tests.models import SHIPPED

PAIRS = SearchTable(people=(10, 100), fpir=(0.1, 0.01), threshold=((0.3, 0.4), (0.1, 0.2)))
PROBES = SearchTable(people=(300, 600), fpir=(0.1, 0.01), threshold=((0.3, 0.4), (0.3, 0.4)))
SEARCH = SearchCalibration(weight=0.75, pairs=PAIRS, probes=PROBES)


def needed(thresholds: SearchThresholds, target: float, people: int) -> float:
    found = thresholds.relative(target, people)
    assert found is not None
    return found.threshold


@pytest.fixture
def thresholds() -> SearchThresholds:
    return SearchThresholds(SEARCH, Thresholds(TABLE))


def test_the_logarithm_of_the_rate_is_linear(thresholds: SearchThresholds) -> None:
    assert needed(thresholds, 0.1, 400) == pytest.approx(0.3)
    assert needed(thresholds, 0.0316227766, 600) == pytest.approx(0.35)
    assert needed(thresholds, 0.001, 600) == pytest.approx(0.5), "the last slope is extrapolated"
    assert needed(thresholds, 0.5, 600) == pytest.approx(0.3), "not below the first knot"
    assert needed(thresholds, 1e-9, 600) < 1.0


def test_the_logarithm_of_the_size_is_linear(thresholds: SearchThresholds) -> None:
    for people, expected in ((10, 0.4), (32, 0.3), (100, 0.2), (300, 0.2)):
        assert needed(thresholds, 0.01, people) == pytest.approx(expected, abs=2e-3)


def test_the_size_of_the_gallery_says_whose_resemblance_counts(
    thresholds: SearchThresholds,
) -> None:
    assert thresholds.relative(0.01, FEWEST_PEOPLE - 1) is None
    for people, both in ((FEWEST_PEOPLE, True), (PAIRS_UP_TO, True), (PAIRS_UP_TO + 1, False)):
        found = thresholds.relative(0.01, people)
        assert found is not None
        assert (found.weight, found.of_templates) == (0.75, both)


def test_beyond_the_measured_galleries_it_rises_with_their_size(
    thresholds: SearchThresholds,
) -> None:
    table = Thresholds(TABLE)
    rise = table.for_fpir(0.01, 6_000) - table.for_fpir(0.01, 600)
    assert rise > 0
    assert needed(thresholds, 0.01, 6_000) == pytest.approx(0.4 + 0.25 * rise)


def of_gallery(people: int, row: tuple[float, float], weight: float = 0.75) -> SearchThresholds:
    """Those of a gallery with so many people when it was measured, with the model's."""
    table = SearchTable(people=(people,), fpir=(0.1, 0.01), threshold=(row,))
    kind = {"pairs": table} if people <= PAIRS_UP_TO else {"probes": table}
    own = SearchCalibration(weight=weight, **kind)
    return SearchThresholds(own, Thresholds(TABLE), SearchThresholds(SEARCH, Thresholds(TABLE)))


def test_of_a_gallery_and_its_model_the_lower_decides() -> None:
    both = of_gallery(400, (0.2, 0.5))
    assert needed(both, 0.1, 400) == pytest.approx(0.2)
    assert needed(both, 0.01, 400) == pytest.approx(0.4)
    alone = of_gallery(400, (0.2, 0.5), weight=0.5)
    assert needed(alone, 0.01, 400) == pytest.approx(0.5), "not comparable"


def test_a_gallery_that_has_shrunk_needs_as_much_more_as_with_the_model() -> None:
    own = of_gallery(100, (0.05, 0.1))
    assert needed(own, 0.01, 100) == pytest.approx(0.1)
    assert needed(own, 0.01, 32) == pytest.approx(0.2, abs=2e-3)


def test_a_gallery_that_has_grown_beyond_its_table_uses_the_model() -> None:
    grown = of_gallery(200, (0.05, 0.1)).relative(0.01, 400)
    assert grown == SearchThresholds(SEARCH, Thresholds(TABLE)).relative(0.01, 400)


def test_tables_of_earlier_versions_hold_for_probes() -> None:
    stored = {
        "weight": 0.5,
        "fewest_people": 40,
        "most_people": 600,
        "fpir": [0.1, 0.01],
        "threshold": [0.3, 0.4],
    }
    found = SearchThresholds(SearchCalibration.model_validate(stored), Thresholds(TABLE))
    assert found.relative(0.01, 39) is None
    for people in (40, 200, 600):
        assert needed(found, 0.01, people) == pytest.approx(0.4)
        assert found.relative(0.01, people) == RelativeThreshold(0.4, 0.5, of_templates=False)


def test_the_resemblance_leaves_out_the_two_best() -> None:
    scores = [0.9, 0.8, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert len(scores) == SEARCHED
    assert resemblance_of(scores) == pytest.approx(0.3)
    assert resemblance_of([*scores, 0.0]) == pytest.approx(0.3)
    assert resemblance_of(scores[:-1]) is None, "too few people"


@pytest.mark.parametrize(
    "wrong",
    [
        {"fpir": (0.01, 0.1)},
        {"threshold": ((0.4, 0.4), (0.1, 0.2))},
        {"threshold": ((0.3, 0.4),)},
        {"threshold": ((0.3, 0.4), (0.1,))},
        {"fpir": (0.1,), "threshold": ((0.3,), (0.1,))},
        {"people": (100, 10)},
        {"people": (), "threshold": ()},
    ],
)
def test_an_invalid_table_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SearchTable.model_validate(PAIRS.model_dump() | wrong)


def test_a_calibration_needs_a_weight_and_a_table() -> None:
    with pytest.raises(ValidationError):
        SearchCalibration(weight=0.0, pairs=PAIRS)
    with pytest.raises(ValidationError, match="pairs or probes"):
        SearchCalibration(weight=0.5)


def crowd(people: int, shared: float, seed: int) -> Matrix:
    """Unit vectors of people who have the similarity `shared` to each other on average."""
    rng = np.random.default_rng(seed)
    own = l2_normalize(rng.normal(size=(people, 128)))
    return l2_normalize(np.sqrt(shared) * np.eye(1, 128) + np.sqrt(1.0 - shared) * own)


def excesses(probes: Matrix, gallery: Matrix, *, of_templates: bool) -> Matrix:
    """How much the best similarity of each probe exceeds the weighted resemblance."""

    def resemblances(scores: Matrix) -> Matrix:
        return np.array([resemblance_of(row) for row in (-np.sort(-scores, axis=1)).tolist()])

    scores = probes @ gallery.T
    found = resemblances(scores)
    if of_templates:
        found = found + resemblances(gallery @ gallery.T)[scores.argmax(axis=1)]
    excess: Matrix = scores.max(axis=1) - WEIGHT * found
    return excess


def test_strangers_of_every_group_match_at_most_at_the_rate() -> None:
    """Two groups, one of them of people who resemble each other more; the strangers are new."""
    shares = {"alike": 0.4, "different": 0.05}
    vectors = np.concatenate([crowd(450, share, 1) for share in shares.values()])
    group = np.repeat(list(shares), 450)
    faces = LabelledFaces(
        vectors, np.arange(900).astype(str), group, np.zeros(900, dtype=np.float32)
    )
    search = measure_searches(faces, {name: group == name for name in shares})
    assert search is not None and search.pairs is not None and search.probes is not None
    assert search.weight == WEIGHT
    assert (search.pairs.people, search.probes.people) == (PAIR_SIZES, PROBE_SIZES)
    rate = search.pairs.fpir.index(0.01)
    for table, size in ((search.pairs, 80), (search.pairs, 20), (search.probes, 300)):
        limit = table.threshold[table.people.index(size)][rate]
        for share in shares.values():
            for others in (0.0, 0.5):  # the share of the gallery that is of the other group
                [other] = set(shares.values()) - {share}
                mixed = round(others * size)
                matched = []
                for seed in range(10, 20):
                    gallery = [crowd(size - mixed, share, seed), crowd(mixed, other, seed + 10)]
                    excess = excesses(
                        crowd(500, share, seed + 20),
                        np.concatenate(gallery),
                        of_templates=table is search.pairs,
                    )
                    matched.append((excess >= limit).mean())
                assert np.mean(matched) <= 0.015


def test_too_few_people_give_no_thresholds() -> None:
    few = faces_of(crowd(12, 0.1, 1))
    assert measure_searches(few, {"all": np.full(12, True)}) is None


def test_people_of_whom_a_network_sees_no_difference_are_measured() -> None:
    """All quantiles are equal, but thresholds of stricter rates are higher."""
    same = faces_of(np.tile(crowd(1, 0.1, 1), (120, 1)))
    assert measure_searches(same, {"all": np.full(120, True)}) is not None
    assert measure_own_searches(same) is not None


def test_few_people_give_thresholds_of_small_galleries() -> None:
    some = faces_of(crowd(60, 0.1, 1))
    search = measure_searches(some, {"all": np.full(60, True)})
    assert search is not None and search.pairs is not None
    assert (search.pairs.people, search.probes) == ((10, 20, 40), None)


def faces_of(vectors: Matrix) -> LabelledFaces:
    """One face of each person."""
    count = len(vectors)
    return LabelledFaces(
        vectors, np.arange(count).astype(str), np.full(count, ""), np.zeros(count, np.float32)
    )


@pytest.mark.parametrize("people", [100, 200, 400])
def test_a_gallery_measures_its_own_searches(people: int) -> None:
    """At the rate of 0.01, of which 100 people measure nothing, and at one that they measure."""
    matched = []
    for seed in range(4):
        gallery = crowd(people, 0.3, seed)
        own = measure_own_searches(faces_of(gallery))
        assert own is not None
        table = own.pairs or own.probes
        assert table is not None and table.people == (people,)
        assert (own.pairs is not None) == (people <= PAIRS_UP_TO)
        excess = excesses(crowd(2_000, 0.3, 10 + seed), gallery, of_templates=own.pairs is not None)
        row = [table.threshold[0][table.fpir.index(rate)] for rate in (0.1, 0.01)]
        matched.append([(excess >= needed).mean() for needed in row])
    for found, rate in zip(np.mean(matched, axis=0), (0.1, 0.01), strict=True):
        assert 0.2 * rate <= found <= 1.3 * rate


def test_further_photos_of_a_person_are_no_strangers() -> None:
    once = faces_of(crowd(100, 0.2, 6))
    twice = once.take(np.repeat(np.arange(100), 2))
    assert measure_own_searches(twice) == measure_own_searches(once)


def test_a_small_gallery_measures_no_searches() -> None:
    assert measure_own_searches(faces_of(crowd(99, 0.2, 7))) is None
    assert measure_own_searches(faces_of(crowd(3, 0.2, 7))) is None


def test_the_shipped_models_have_them() -> None:
    for folder in SHIPPED.parent.glob("sima-face-*"):
        search = read_manifest(folder).search
        assert search is not None, folder.name
        assert search.weight == WEIGHT
