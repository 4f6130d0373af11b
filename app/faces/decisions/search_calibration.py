"""Measures the thresholds of searches relative to the gallery, on galleries of known people."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.faces.decisions.scores import LabelledFaces
from app.faces.decisions.search_thresholds import SEARCHED, resemblance_of
from app.inference.manifest import SearchCalibration

WEIGHT = 0.5
"""Chosen on held-out people (docs/adr/0034-searches-relative-to-the-gallery.md)."""

SIZES = (40, 80, 150, 300, 600)
"""People in the galleries that are measured."""

_RATES = (0.1, 0.03, 0.01)
_OWN_RATES = (0.3, *_RATES)
_MEASURED = 5  # people of a gallery who must reach a threshold, or it is extrapolated
_LARGEST_SHARE = 0.75  # of a group's people in a gallery; the others are the strangers
_SEARCHES, _FEWEST_DRAWS = 8_000, 4
_STEP = 1e-4


def measure_searches(
    faces: LabelledFaces, groups: Mapping[str, NDArray[np.bool_]], seed: int = 0
) -> SearchCalibration | None:
    """Search random galleries of one group for strangers of the same group.

    One face of each person is used. For each rate the threshold is the highest of any group, over
    the galleries of all SIZES for which the group has enough people: it holds where gallery and
    strangers are all of the group that needs it most. None where no group has enough people for the
    smallest gallery.
    """
    rng = np.random.default_rng((seed, 13))
    thresholds, largest = [], 0
    for rows in groups.values():
        one_each = _one_face_each(faces.take(rows))
        sizes = [size for size in SIZES if size <= _LARGEST_SHARE * len(one_each)]
        if sizes:
            excess = np.concatenate([_strangers(one_each, size, rng) for size in sizes])
            thresholds.append(np.quantile(excess, [1.0 - rate for rate in _RATES]))
            largest = max(largest, *sizes)
    if not thresholds:
        return None
    highest = np.ceil(np.max(thresholds, axis=0) / _STEP) * _STEP
    return SearchCalibration(
        weight=WEIGHT,
        fewest_people=SIZES[0],
        most_people=largest,
        fpir=_RATES,
        threshold=tuple(round(float(one), 6) for one in highest),
    )


def measure_own_searches(faces: LabelledFaces) -> SearchCalibration | None:
    """Search a gallery for each of its people among the others, as if they were strangers.

    Of n people, r n - sqrt(r n) may reach the threshold of a rate r: one standard deviation fewer
    than expected, since few people measure it. Rates that fewer than five of them measure are
    extrapolated with the slope between the rates before them. None for fewer than 40 people.
    """
    excess = _own_people(faces)
    if len(excess) < SIZES[0]:
        return None
    thresholds: list[float] = []
    for number, rate in enumerate(_OWN_RATES):
        expected = rate * len(excess)
        if number < 2 or expected >= _MEASURED:
            allowed = max(0.0, expected - np.sqrt(expected))
            needed = float(np.quantile(excess, 1.0 - allowed / len(excess)))
        else:
            before, last = np.log(_OWN_RATES[number - 2 : number])
            slope = (thresholds[-1] - thresholds[-2]) / (last - before)
            needed = thresholds[-1] + slope * float(np.log(rate) - last)
        needed = float(np.ceil(needed / _STEP) * _STEP)
        thresholds.append(max(needed, thresholds[-1] + _STEP) if thresholds else needed)
    return SearchCalibration(
        weight=WEIGHT,
        fewest_people=SIZES[0],
        most_people=len(excess),
        fpir=_OWN_RATES,
        threshold=tuple(round(one, 6) for one in thresholds),
    )


def _own_people(faces: LabelledFaces) -> NDArray[np.float64]:
    """How much the best score of one face of each person exceeds the weighted resemblance."""
    order = np.argsort(faces.person, kind="stable")
    sorted_faces = faces.take(order)
    _, first = np.unique(sorted_faces.person, return_index=True)
    if len(first) <= SEARCHED:
        return np.empty(0)
    excess = []
    for person, row in enumerate(first):
        scores = sorted_faces.embeddings @ sorted_faces.embeddings[row]
        scores -= sorted_faces.correction + sorted_faces.correction[row]
        of_people = np.delete(np.maximum.reduceat(scores, first), person)
        best = np.sort(np.partition(of_people, -SEARCHED)[-SEARCHED:])[::-1]
        excess.append(_excess(best.tolist()))
    return np.array(excess)


def _excess(best: list[float]) -> float:
    resemblance = resemblance_of(best)
    assert resemblance is not None, "as many scores as it needs"
    return best[0] - WEIGHT * resemblance


def _one_face_each(faces: LabelledFaces) -> LabelledFaces:
    _, first = np.unique(faces.person, return_index=True)
    return faces.take(first)


def _strangers(faces: LabelledFaces, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How much the best score of each stranger exceeds the weighted resemblance."""
    excess: list[float] = []
    for _ in range(max(_FEWEST_DRAWS, _SEARCHES // (len(faces) - size))):
        order = rng.permutation(len(faces))
        gallery, probes = faces.take(order[:size]), faces.take(order[size:])
        scores = probes.embeddings @ gallery.embeddings.T
        scores -= probes.correction[:, None] + gallery.correction[None]
        best = -np.sort(-np.partition(scores, size - SEARCHED, axis=1)[:, -SEARCHED:], axis=1)
        excess += [_excess(row) for row in best.tolist()]
    return np.array(excess)
