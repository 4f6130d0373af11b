"""Fits score normalisation to a model and chooses its weight; no torch needed."""

from collections.abc import Sequence
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
from app.vectors import Matrix

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Values of b that are tried."""

FEWEST_PEOPLE = 600
"""People that a fit needs; with fewer the regressor learns its examples by heart."""

_TARGET_FMR = 1e-3
_CHECKED = 0.125


@dataclass(frozen=True, slots=True)
class FittedMeans:
    """A regressor of impostor means; `correlation` is measured on people it was not fitted to."""

    network: Perceptron
    average: float
    correlation: float
    cohort_size: int


@dataclass(frozen=True, slots=True)
class WeightTrial:
    """What one weight gives: the threshold that every group needs for FMR 0.001, and the share of
    genuine pairs that reach it."""

    weight: float
    threshold: float
    accepted: float


def fit_means(
    faces: LabelledFaces, strata: NDArray[np.str_], cohort: NDArray[np.bool_], seed: int = 0
) -> FittedMeans:
    """Fit a regressor of impostor means to `faces`.

    `cohort` (n,) marks the faces that may be strangers to compare with; `strata` (n,) names the
    group and source over which the cohort is balanced. Raises ModelError for too few people.
    """
    if len(np.unique(faces.person)) < FEWEST_PEOPLE:
        raise ModelError(f"score normalisation needs at least {FEWEST_PEOPLE} people")
    candidates = np.flatnonzero(cohort)
    rows = candidates[balanced(strata[candidates], faces.person[candidates], seed)]
    if len(rows) <= NEAREST:
        raise ModelError(f"the cohort has {len(rows)} faces; more than {NEAREST} are needed")
    means = impostor_means(
        faces.embeddings, faces.person, faces.embeddings[rows], faces.person[rows]
    )
    checked = _some_people(faces.person, seed)
    network = fit_perceptron(faces.embeddings[~checked], means[~checked], seed=seed)
    predicted = network.predict(faces.embeddings[checked])
    correlation = float(np.corrcoef(predicted, means[checked])[0, 1])
    return FittedMeans(network, float(means.mean()), correlation, len(rows))


def corrections(fitted: FittedMeans, embeddings: Matrix, weight: float) -> NDArray[np.float32]:
    """`weight * (m - average) / 2` of each face, shape (n,)."""
    means = fitted.network.predict(embeddings)
    found: NDArray[np.float32] = weight / 2 * (means - np.float32(fitted.average))
    return found.astype(np.float32)


def try_weights(
    fitted: FittedMeans, genuine: LabelledFaces, impostors: Sequence[LabelledFaces]
) -> list[WeightTrial]:
    """Each weight of WEIGHTS, at the threshold that holds FMR 0.001 in every group."""
    return [_try_weight(fitted, weight, genuine, impostors) for weight in WEIGHTS]


def _try_weight(
    fitted: FittedMeans, weight: float, genuine: LabelledFaces, impostors: Sequence[LabelledFaces]
) -> WeightTrial:
    def corrected(faces: LabelledFaces) -> LabelledFaces:
        return faces.corrected_by(corrections(fitted, faces.embeddings, weight))

    scores: list[ScoreDistribution] = [impostor_scores(corrected(group)) for group in impostors]
    threshold = max(group.threshold_at(_TARGET_FMR) for group in scores)
    accepted = genuine_scores(corrected(genuine)).share_at(threshold)
    return WeightTrial(weight, threshold, accepted)


def _some_people(person: NDArray[np.str_], seed: int) -> NDArray[np.bool_]:
    """Mask of the faces of a random eighth of the people."""
    names = np.unique(person)
    chosen = np.random.default_rng((seed, 5)).random(len(names)) < _CHECKED
    return np.isin(person, names[chosen])
