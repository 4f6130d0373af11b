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
        for row in best:
            resemblance = resemblance_of(row.tolist())
            assert resemblance is not None, "as many scores as it needs"
            excess.append(float(row[0]) - WEIGHT * resemblance)
    return np.array(excess)
