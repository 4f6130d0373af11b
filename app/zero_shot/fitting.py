"""A learned map from one space (faces, say) to the words of a vocabulary, out of a few examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRequest
from app.vectors import Matrix
from app.zero_shot.methods import Choice, choose_regularisers, eszsl

_LEAST_EXAMPLES, _LEAST_CLASSES = 4, 2
_SMALLEST_SPREAD = 1e-6
_PENALTIES = np.linspace(0.0, 4.0, 17)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Projection:
    """`x -> (x - centre)' V`, and how such outputs are spread over the examples, shape (a, a)."""

    matrix: Floats
    centre: Floats
    covariance: Floats

    def standard_scores(self, vector: Floats, semantics: Floats) -> Floats:
        """Scores of classes, in standard deviations over the examples; shape (classes,)."""
        raw = semantics @ (self.matrix.T @ (vector - self.centre))
        variance = np.einsum("na,ab,nb->n", semantics, self.covariance, semantics)
        found: Floats = raw / np.maximum(np.sqrt(np.maximum(variance, 0.0)), _SMALLEST_SPREAD)
        return found


@dataclass(frozen=True, slots=True)
class Fitted:
    """A projection with how it was found. `penalty` is an estimate of what seen classes should
    give up where they stand among unseen ones (generalised zero-shot)."""

    projection: Projection
    choice: Choice
    penalty: float


def fit_projection(
    inputs: Matrix,
    classes: Sequence[Sequence[str]],
    seen: Sequence[str],
    semantics: Matrix,
    regularisers: tuple[float, float] | None,
) -> Fitted:
    """ESZSL over centred inputs. `classes` are those of each example, `semantics` (seen, a).

    Regularisers are chosen by leaving out seen classes, unless they are given. Raises
    InvalidRequest where there is too little to learn from.
    """
    if len(inputs) < _LEAST_EXAMPLES or len(seen) < _LEAST_CLASSES:
        raise InvalidRequest(
            "examples", f"send {_LEAST_EXAMPLES} examples and {_LEAST_CLASSES} attributes or more"
        )
    truth = np.array([[1.0 if name in row else -1.0 for name in seen] for row in classes])
    useless = [name for name, column in zip(seen, truth.T, strict=True) if abs(column.mean()) == 1]
    if useless:
        raise InvalidRequest("examples", f"all of them are {useless[0]!r}: nothing tells it apart")
    wide = inputs.astype(np.float64)
    centre = wide.mean(axis=0)
    centred, described = wide - centre, semantics.astype(np.float64)
    if regularisers is None:
        choice = choose_regularisers(centred, truth, described)
    else:
        choice = Choice(*regularisers, float("nan"))
    projection = _learned(centred, truth, described, choice, centre)
    return Fitted(projection, choice, _penalty(centred, truth, described, choice))


def _learned(
    centred: Floats, truth: Floats, semantics: Floats, choice: Choice, centre: Floats
) -> Projection:
    matrix = eszsl(centred, truth, semantics, choice.gamma, choice.lam)
    outputs = centred @ matrix
    return Projection(matrix, centre, outputs.T @ outputs / len(outputs))


def _penalty(centred: Floats, truth: Floats, semantics: Floats, choice: Choice) -> float:
    """Calibrated stacking (Chao et al. 2016): what to take off the scores of seen classes.

    Each class is left out in turn, with its examples, and then stands among the others: the
    smallest penalty with the largest harmonic mean of the hits on left-out and on seen classes.
    """
    unseen_leads: list[float] = []  # of the left-out class over all seen ones, for its examples
    seen_leads: list[float] = []  # of an example's own seen class over the left-out one
    for c in range(truth.shape[1]):
        others = np.arange(truth.shape[1]) != c
        own, rest = truth[:, c] > 0, truth[:, c] < 0
        kept = truth[rest][:, others]
        if len(kept) < _LEAST_CLASSES or not (kept > 0).any():
            continue
        nothing = np.zeros(centred.shape[1])
        learned = _learned(centred[rest], kept, semantics[others], choice, nothing)
        scores = np.stack([learned.standard_scores(row, semantics) for row in centred])
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
