"""Fits score normalisation to a model and chooses its weight; no torch needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.faces.decisions.cohort import NEAREST, balanced, impostor_means
from app.faces.decisions.regression import Perceptron, fit_perceptron
from app.faces.decisions.scores import (
    LabelledFaces,
    ScoreDistribution,
    genuine_scores,
    impostor_scores,
)

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
"""Values of b that are tried."""

FEWEST_PEOPLE = 600
"""People that a fit needs; with fewer the regressor learns its examples by heart."""

_TARGET_FMR = 1e-3
_FOLDS = 4


@dataclass(frozen=True, slots=True)
class FittedMeans:
    """A regressor of impostor means, fitted to all faces.

    `unseen` (n,) are the means of the same faces as regressors predict that were fitted without the
    source of the photo, or without the person where there is one source only, and whose cohort
    lacked them, too: what the regressor does to new photos. `correlation` is theirs with the means
    that were measured with the same cohorts.
    """

    network: Perceptron
    average: float
    unseen: NDArray[np.float32]
    correlation: float
    cohort_size: int

    def corrections(self, weight: float) -> NDArray[np.float32]:
        """`weight * (m - average) / 2` of each face, as for new people, shape (n,)."""
        found: NDArray[np.float32] = weight / 2 * (self.unseen - np.float32(self.average))
        return found.astype(np.float32)


@dataclass(frozen=True, slots=True)
class WeightTrial:
    """What one weight gives: the threshold that every group needs for FMR 0.001, and the share of
    genuine pairs that reach it."""

    weight: float
    threshold: float
    accepted: float


def fit_means(
    faces: LabelledFaces,
    strata: NDArray[np.str_],
    cohort: NDArray[np.bool_],
    source: NDArray[np.str_],
    seed: int = 0,
) -> FittedMeans:
    """Fit a regressor of impostor means to `faces`.

    `cohort` (n,) marks the faces that may be strangers to compare with; `strata` (n,) names the
    group and source over which the cohort is balanced; `source` (n,) names the data set. Raises
    ModelError for too few people.
    """
    if len(np.unique(faces.person)) < FEWEST_PEOPLE:
        raise ModelError(f"score normalisation needs at least {FEWEST_PEOPLE} people")
    means, cohort_size = _impostor_means(faces, strata, cohort, seed)
    unseen, measured = np.empty_like(means), np.empty_like(means)
    several = len(np.unique(source)) > 1
    for others in _without_each(source) if several else _folds(faces.person, seed):
        within, _ = _impostor_means(faces, strata, cohort & others, seed)
        network = fit_perceptron(faces.embeddings[others], within[others], seed=seed)
        unseen[~others] = network.predict(faces.embeddings[~others])
        measured[~others] = within[~others]
    return FittedMeans(
        fit_perceptron(faces.embeddings, means, seed=seed),
        float(means.mean()),
        unseen,
        float(np.corrcoef(unseen, measured)[0, 1]),
        cohort_size,
    )


def try_weights(
    fitted: FittedMeans,
    faces: LabelledFaces,
    genuine: NDArray[np.bool_],
    groups: Sequence[NDArray[np.bool_]],
) -> list[WeightTrial]:
    """Each weight of WEIGHTS, at the threshold that holds FMR 0.001 in every group.

    `faces` are those of the fit; `genuine` (n,) and `groups`, each (n,), mark the faces whose pairs
    of one person and of two people are measured.
    """
    return [_try_weight(fitted, weight, faces, genuine, groups) for weight in WEIGHTS]


def _try_weight(
    fitted: FittedMeans,
    weight: float,
    faces: LabelledFaces,
    genuine: NDArray[np.bool_],
    groups: Sequence[NDArray[np.bool_]],
) -> WeightTrial:
    corrected = faces.corrected_by(fitted.corrections(weight))
    scores: list[ScoreDistribution] = [impostor_scores(corrected.take(rows)) for rows in groups]
    threshold = max(group.threshold_at(_TARGET_FMR) for group in scores)
    accepted = genuine_scores(corrected.take(genuine)).share_at(threshold)
    return WeightTrial(weight, threshold, accepted)


def _impostor_means(
    faces: LabelledFaces, strata: NDArray[np.str_], cohort: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.float32], int]:
    """The impostor mean of each face, shape (n,), and the size of the balanced cohort."""
    candidates = np.flatnonzero(cohort)
    rows = candidates[balanced(strata[candidates], faces.person[candidates], seed)]
    if len(rows) <= NEAREST:
        raise ModelError(f"the cohort has {len(rows)} faces; more than {NEAREST} are needed")
    means = impostor_means(
        faces.embeddings, faces.person, faces.embeddings[rows], faces.person[rows]
    )
    return means, len(rows)


def _without_each(source: NDArray[np.str_]) -> Iterator[NDArray[np.bool_]]:
    """Masks of the faces of all sources but one, for each source."""
    for name in np.unique(source):
        yield source != name


def _folds(person: NDArray[np.str_], seed: int) -> Iterator[NDArray[np.bool_]]:
    """Masks of the faces outside of each fold; a person's faces are in one fold."""
    names, code = np.unique(person, return_inverse=True)
    fold = np.random.default_rng((seed, 5)).integers(0, _FOLDS, len(names))[code]
    for number in range(_FOLDS):
        yield fold != number
