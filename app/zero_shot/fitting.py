"""Fits a linear map from one space, such as faces, to the words of a vocabulary (ESZSL)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRequest
from app.vectors import Matrix
from app.zero_shot.methods import Regularisers, choose_regularisers, eszsl

_MIN_EXAMPLES, _MIN_CLASSES = 4, 2
_MIN_STD = 1e-6
_PENALTIES = np.linspace(0.0, 4.0, 17)  # candidates, in standard deviations

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Projection:
    """The map `x -> (x - centre)' V` with V of shape (d, a).

    `covariance` (a, a) is the second moment of its outputs on the examples.
    """

    matrix: Floats
    centre: Floats
    covariance: Floats

    def standardised_scores(self, vector: Floats, semantics: Floats) -> Floats:
        """The scores of classes with the vectors `semantics` (classes, a), shape (classes,), in
        standard deviations over the examples."""
        raw = semantics @ (self.matrix.T @ (vector - self.centre))
        variance = np.einsum("na,ab,nb->n", semantics, self.covariance, semantics)
        scores: Floats = raw / np.maximum(np.sqrt(np.maximum(variance, 0.0)), _MIN_STD)
        return scores


@dataclass(frozen=True, slots=True)
class FittedProjection:
    """A projection and its regularisers.

    `penalty` is the estimated deduction from the scores of seen classes, in standard deviations,
    when they compete with unseen ones (generalised zero-shot).
    """

    projection: Projection
    regularisers: Regularisers
    penalty: float


def fit_projection(
    inputs: Matrix,
    classes: Sequence[Sequence[str]],
    seen: Sequence[str],
    semantics: Matrix,
    regularisers: tuple[float, float] | None,
) -> FittedProjection:
    """Fit ESZSL on centred inputs (m, d).

    `classes` are the class names of each example, `seen` all class names, and `semantics`
    (seen, a) their vectors. Without `regularisers` (gamma, lambda), they are chosen by holding
    out seen classes. Raises InvalidRequest for too few examples or classes, and for a class that
    every example has or no example has.
    """
    if len(inputs) < _MIN_EXAMPLES or len(seen) < _MIN_CLASSES:
        raise InvalidRequest(
            "examples",
            f"{len(inputs)} examples with {len(seen)} attributes were sent; at least "
            f"{_MIN_EXAMPLES} examples and {_MIN_CLASSES} attributes are required",
        )
    truth = np.array([[1.0 if name in row else -1.0 for name in seen] for row in classes])
    constant = [name for name, column in zip(seen, truth.T, strict=True) if abs(column.mean()) == 1]
    if constant:
        raise InvalidRequest(
            "examples",
            f"all examples have the attribute {constant[0]!r}; add examples without it",
        )
    wide = inputs.astype(np.float64)
    centre = wide.mean(axis=0)
    centred, described = wide - centre, semantics.astype(np.float64)
    if regularisers is None:
        chosen = choose_regularisers(centred, truth, described)
    else:
        chosen = Regularisers(*regularisers, float("nan"))
    projection = _fit(centred, truth, described, chosen, centre)
    return FittedProjection(projection, chosen, _penalty(centred, truth, described, chosen))


def _fit(
    centred: Floats,
    truth: Floats,
    semantics: Floats,
    regularisers: Regularisers,
    centre: Floats,
) -> Projection:
    matrix = eszsl(centred, truth, semantics, regularisers.gamma, regularisers.lam)
    outputs = centred @ matrix
    return Projection(matrix, centre, outputs.T @ outputs / len(outputs))


def _penalty(
    centred: Floats, truth: Floats, semantics: Floats, regularisers: Regularisers
) -> float:
    """The deduction from the scores of seen classes (calibrated stacking, Chao et al. 2016).

    Each class is held out in turn with its examples and then competes with the others. Returns
    the smallest penalty with the largest harmonic mean of the accuracies on held-out and seen
    classes.
    """
    unseen_leads: list[float] = []  # of the held-out class over all seen ones, for its examples
    seen_leads: list[float] = []  # of an example's own seen class over the held-out one
    for c in range(truth.shape[1]):
        others = np.arange(truth.shape[1]) != c
        own, rest = truth[:, c] > 0, truth[:, c] < 0
        kept = truth[rest][:, others]
        if len(kept) < _MIN_CLASSES or not (kept > 0).any():
            continue
        origin = np.zeros(centred.shape[1])
        projection = _fit(centred[rest], kept, semantics[others], regularisers, origin)
        scores = np.stack([projection.standardised_scores(row, semantics) for row in centred])
        unseen_leads += list(scores[own, c] - scores[own][:, others].max(axis=1))
        true = np.where(kept > 0, scores[rest][:, others], -np.inf).max(axis=1)
        seen_leads += list((true - scores[rest, c])[np.isfinite(true)])
    return _best_penalty(np.array(unseen_leads), np.array(seen_leads))


def _best_penalty(unseen_leads: Floats, seen_leads: Floats) -> float:
    best, best_mean = 0.0, -1.0
    for penalty in _PENALTIES if len(unseen_leads) and len(seen_leads) else ():
        unseen = float((unseen_leads > -penalty).mean())
        seen = float((seen_leads > penalty).mean())
        mean = 2 * unseen * seen / (unseen + seen) if unseen + seen else 0.0
        if mean > best_mean + 1e-9:
            best, best_mean = float(penalty), mean
    return best
