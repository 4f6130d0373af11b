"""Measures the thresholds of searches relative to the gallery, on galleries of known people."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.faces.decisions.scores import LabelledFaces
from app.faces.decisions.search_thresholds import (
    FEWEST_PEOPLE,
    PAIRS_UP_TO,
    SEARCHED,
    resemblance_of,
)
from app.inference.manifest import SearchCalibration, SearchTable
from app.vectors import Matrix

WEIGHT = 0.5
"""Chosen on held-out people (docs/adr/0035-both-faces-of-a-search.md)."""

PAIR_SIZES = (FEWEST_PEOPLE, 20, 40, 80, 150, PAIRS_UP_TO)
PROBE_SIZES = (PAIRS_UP_TO, 600)
"""People in the galleries that are measured."""

_SHARES = (0.1, 0.3, 0.6, 1.0)
"""Shares of the gallery that are of the strangers' group."""

_RATES = (0.1, 0.03, 0.01)
_OWN_RATES = (0.3, *_RATES)
_FEWEST_OWN = 100
_MEASURED = 5  # people of a gallery who must reach a threshold, or it is extrapolated
_LARGEST_SHARE = 0.75  # of a group's people in a gallery; the others are the strangers
_SEARCHES, _FEWEST_DRAWS = 6_000, 6
_STEP = 1e-4


def measure_searches(
    faces: LabelledFaces, groups: Mapping[str, NDArray[np.bool_]], seed: int = 0
) -> SearchCalibration | None:
    """Search random galleries for strangers of each group.

    One face of each person is used. For each size and rate the threshold is the highest of any
    group and of any of the shares that the group may have in the gallery. None where no group has
    enough people for the smallest gallery.
    """
    rng = np.random.default_rng((seed, 13))
    split = [_split(faces, rows) for rows in groups.values()]
    pairs = _measure(split, PAIR_SIZES, rng, of_templates=True)
    if pairs is None:
        return None
    probes = _measure(split, PROBE_SIZES, rng, of_templates=False)
    return SearchCalibration(weight=WEIGHT, pairs=pairs, probes=probes)


def measure_own_searches(faces: LabelledFaces) -> SearchCalibration | None:
    """Search a gallery for each of its people among the others, as if they were strangers.

    Of n people, r n - sqrt(r n) may reach the threshold of a rate r: one standard deviation fewer
    than expected, since few people measure it. Rates that fewer than five of them measure are
    extrapolated with the slope between the rates before them. None for fewer than 100 people.
    """
    excess = _own_people(faces)
    if len(excess) < _FEWEST_OWN:
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
        thresholds.append(needed)
    row = _increasing(thresholds)
    table = SearchTable(people=(len(excess),), fpir=_OWN_RATES, threshold=(row,))
    if len(excess) <= PAIRS_UP_TO:
        return SearchCalibration(weight=WEIGHT, pairs=table)
    return SearchCalibration(weight=WEIGHT, probes=table)


def _measure(
    split: Sequence[tuple[LabelledFaces, LabelledFaces]],
    sizes: Sequence[int],
    rng: np.random.Generator,
    *,
    of_templates: bool,
) -> SearchTable | None:
    """The table of the `sizes` for which some group has enough people; None without any.

    `split` has each group and the faces of all other people. A group that has too few people to be
    the whole of a large gallery needs there what it needs in the largest one that it fills.
    """
    rows, measured = np.full((len(sizes), len(_RATES)), -np.inf), set[int]()
    for group, others in split:
        alone = np.full(len(_RATES), -np.inf)
        for number, size in enumerate(sizes):
            for share in _SHARES:
                inside = max(1, round(share * size))
                if inside > _LARGEST_SHARE * len(group) or size - inside > len(others):
                    continue
                excess = _strangers(group, others, (inside, size), rng, of_templates=of_templates)
                needed = np.quantile(excess, [1.0 - rate for rate in _RATES])
                rows[number] = np.maximum(rows[number], needed)
                measured.add(number)
                if share == 1.0:
                    alone = needed
            rows[number] = np.maximum(rows[number], alone)
    kept = sorted(measured)
    if not kept:
        return None
    return SearchTable(
        people=tuple(sizes[number] for number in kept),
        fpir=_RATES,
        threshold=tuple(_increasing(rows[number].tolist()) for number in kept),
    )


def _increasing(needed: Sequence[float]) -> tuple[float, ...]:
    """The values rounded up, each at least a step above the one before."""
    row: list[float] = []
    for value in needed:
        up = float(np.ceil(value / _STEP) * _STEP)
        row.append(round(max(up, row[-1] + _STEP) if row else up, 6))
    return tuple(row)


def _own_people(faces: LabelledFaces) -> NDArray[np.float64]:
    """How much the best score of one face of each person exceeds the weighted resemblance."""
    order = np.argsort(faces.person, kind="stable")
    faces = faces.take(order)
    names, first = np.unique(faces.person, return_index=True)
    if len(first) <= SEARCHED:
        return np.empty(0)
    of_templates = len(first) <= PAIRS_UP_TO
    excess = []
    for person, row in enumerate(first):
        scores = _scores(faces, faces.take(np.array([row])))[:, 0]
        others = np.flatnonzero(faces.person != names[person])
        best = int(others[scores[others].argmax()])
        of_people = np.delete(np.maximum.reduceat(scores, first), person)
        resemblance = _resemblances(of_people[None])
        if of_templates:  # without the person searched for, who is no stranger to the template
            to_template = _scores(faces, faces.take(np.array([best])))[:, 0]
            kept = np.delete(np.maximum.reduceat(to_template, first), person)
            resemblance = resemblance + _resemblances(kept[None])
        excess.append(scores[best] - WEIGHT * float(resemblance[0]))
    return np.array(excess)


def _split(faces: LabelledFaces, rows: NDArray[np.bool_]) -> tuple[LabelledFaces, LabelledFaces]:
    """One face of each person of a group, and one of each of the other people."""
    group = faces.take(rows)
    others = faces.take(~np.isin(faces.person, group.person))
    return _one_face_each(group), _one_face_each(others)


def _one_face_each(faces: LabelledFaces) -> LabelledFaces:
    _, first = np.unique(faces.person, return_index=True)
    return faces.take(first)


def _strangers(
    group: LabelledFaces,
    others: LabelledFaces,
    people: tuple[int, int],
    rng: np.random.Generator,
    *,
    of_templates: bool,
) -> NDArray[np.float64]:
    """How much the best score of each stranger exceeds the weighted resemblance.

    `people` are those of the group in the gallery, and all of it.
    """
    inside, size = people
    excess: list[NDArray[np.float64]] = []
    for _ in range(max(_FEWEST_DRAWS, _SEARCHES // (len(group) - inside))):
        order = rng.permutation(len(group))
        filling = rng.choice(len(others), size - inside, replace=False)
        gallery = [group.take(order[:inside]), others.take(filling)]
        probes = group.take(order[inside:])
        scores = np.concatenate([_scores(probes, part) for part in gallery], axis=1)
        best = scores.argmax(axis=1)
        resemblance = _resemblances(scores)
        if of_templates:
            within = np.block([[_scores(a, b) for b in gallery] for a in gallery])
            resemblance = resemblance + _resemblances(within)[best]
        excess.append(scores.max(axis=1) - WEIGHT * resemblance)
    return np.concatenate(excess)


def _scores(faces: LabelledFaces, others: LabelledFaces) -> Matrix:
    """The scores of all pairs, shape (len(faces), len(others))."""
    scores = faces.embeddings @ others.embeddings.T
    scores -= faces.correction[:, None] + others.correction[None]
    return scores


def _resemblances(scores: Matrix) -> NDArray[np.float64]:
    """The resemblance of each face by its scores with all people, shape (n, people) to (n,)."""
    best = -np.sort(-np.partition(scores, -SEARCHED, axis=1)[:, -SEARCHED:], axis=1)
    found = [resemblance_of(row) for row in best.tolist()]
    return np.array(found, dtype=np.float64)
