"""The zero-shot methods ConSE, DAP and ESZSL, as defined in their papers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.vectors import l2_normalize

Floats = NDArray[np.float64]

_MIN_PROBABILITY = 1e-6  # probabilities are clipped to [this, 1 - this]


def conse(
    seen_probabilities: Floats, seen: Floats, labels: Floats, max_classes: int = 10
) -> Floats:
    """Convex combination of semantic embeddings (Norouzi et al. 2014, eq. 3).

    The input is embedded as the mean of the vectors of its `max_classes` most probable seen
    classes, weighted by their probabilities (s,). `seen` (s, d) and `labels` (n, d) are unit
    vectors. Returns the cosines with the labels, shape (n,).
    """
    best = np.argsort(-seen_probabilities, kind="stable")[:max_classes]
    weights = seen_probabilities[best]
    embedded = weights @ seen[best] / max(float(weights.sum()), 1e-12)
    cosines: Floats = labels @ l2_normalize(embedded).astype(np.float64)
    return cosines


def dap(attributes: Floats, signatures: Floats, priors: Floats) -> Floats:
    """Direct attribute prediction (Lampert et al. 2009, eq. 2).

    `attributes` (a,) are p(attribute | input), `signatures` (n, a) the strength of each attribute
    in each class, 0 to 1, and `priors` (a,) p(attribute). Returns log p(class | input) up to a
    constant, shape (n,). For signatures of 0 and 1 this is `sum log p(a_c | x) / p(a_c)`; a
    signature between them weights presence and absence of the attribute.
    """
    p, prior = (
        np.clip(values, _MIN_PROBABILITY, 1.0 - _MIN_PROBABILITY) for values in (attributes, priors)
    )
    present, absent = np.log(p / prior), np.log((1.0 - p) / (1.0 - prior))
    log_odds: Floats = signatures @ present + (1.0 - signatures) @ absent
    return log_odds


def eszsl(
    inputs: Floats,
    truth: Floats,
    semantics: Floats,
    gamma: float,
    lam: float,
    prior: Floats | None = None,
) -> Floats:
    """The bilinear map V of Romera-Paredes & Torr (2015, eq. 10), in closed form.

    `inputs` (m, d) are the examples, `truth` (m, z) their classes as 1 or -1, and `semantics`
    (z, a) the vectors of the seen classes. `V = (X X' + gamma I)^-1 X Y S' (S S' + lambda I)^-1`
    has shape (d, a); a class with the vector s has the score `x' V s`.

    With a `prior` map (d, a), the difference to the prior is learned and regularised; the paper's
    prior is zero.
    """
    d, a = inputs.shape[1], semantics.shape[1]
    if prior is not None:
        residual = truth - inputs @ prior @ semantics.T
        return prior + eszsl(inputs, residual, semantics, gamma, lam)
    left = np.linalg.solve(inputs.T @ inputs + gamma * np.eye(d), inputs.T @ truth @ semantics)
    return np.linalg.solve(semantics.T @ semantics + lam * np.eye(a), left.T).T


@dataclass(frozen=True, slots=True)
class Regularisers:
    """Gamma and lambda of ESZSL; `area` is the mean area under the ROC curve of held-out classes
    with them, NaN if not measured."""

    gamma: float
    lam: float
    area: float


GRID = tuple(10.0**power for power in range(-3, 4))  # Romera-Paredes & Torr, section 4


def choose_regularisers(inputs: Floats, truth: Floats, semantics: Floats) -> Regularisers:
    """The regularisers with the largest mean ROC area when each seen class is held out in turn.

    Shapes as in `eszsl`. Only classes with positive and negative examples are held out. With fewer
    than three of them the result is gamma = lambda = 1 and the area NaN.
    """
    classes = [c for c in range(truth.shape[1]) if 0 < (truth[:, c] > 0).sum() < len(truth)]
    if len(classes) < 3:  # one is held out, two are required for fitting
        return Regularisers(1.0, 1.0, float("nan"))
    values, vectors = np.linalg.eigh(inputs @ inputs.T)
    best = Regularisers(1.0, 1.0, -1.0)
    for gamma in GRID:
        # (X X' + gamma I)^-1 X = X (X' X + gamma I)^-1: predictions need only the kernel.
        smooth = vectors * (values / (values + gamma)) @ vectors.T
        for lam in GRID:
            areas = [_held_out_area(c, smooth, truth, semantics, lam) for c in classes]
            area = float(np.mean(areas))
            if area > best.area + 1e-9:
                best = Regularisers(gamma, lam, area)
    return best


def _held_out_scores(
    held_out: int, smooth: Floats, truth: Floats, semantics: Floats, lam: float
) -> Floats:
    """The scores of all inputs for a class that is excluded from fitting, shape (m,)."""
    others = np.arange(truth.shape[1]) != held_out
    known = semantics[others]
    inner = known.T @ known + lam * np.eye(known.shape[1])
    weights = known @ np.linalg.solve(inner, semantics[held_out])
    scores: Floats = smooth @ (truth[:, others] @ weights)
    return scores


def _held_out_area(
    held_out: int, smooth: Floats, truth: Floats, semantics: Floats, lam: float
) -> float:
    scores = _held_out_scores(held_out, smooth, truth, semantics, lam)
    return area_under_curve(scores, truth[:, held_out] > 0)


def area_under_curve(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The probability that a positive example scores above a negative one; ties count half."""
    wins = np.sign(scores[positive][:, None] - scores[~positive][None])
    return float((wins.mean() + 1.0) / 2.0)
