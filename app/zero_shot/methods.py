"""From scores to classes: ConSE, DAP and ESZSL, each as its paper has it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.vectors import l2_normalize

Floats = NDArray[np.float64]

_SURE = 1e-6  # probabilities stay this far from 0 and 1


def conse(seen_probabilities: Floats, seen: Floats, labels: Floats, most: int = 10) -> Floats:
    """Convex combination of semantic embeddings (Norouzi et al. 2014, eq. 3).

    The input is embedded as the mean of the vectors of its `most` most probable seen classes,
    weighted by their probabilities. `seen` (s, d) and `labels` (n, d) are unit vectors. Returns
    cosines, shape (n,).
    """
    best = np.argsort(-seen_probabilities, kind="stable")[:most]
    weights = seen_probabilities[best]
    embedded = weights @ seen[best] / max(float(weights.sum()), 1e-12)
    found: Floats = labels @ l2_normalize(embedded).astype(np.float64)
    return found


def dap(attributes: Floats, signatures: Floats, priors: Floats) -> Floats:
    """Direct attribute prediction (Lampert et al. 2009, eq. 2): log p(class | input), up to a
    constant that all classes share.

    `attributes` (a,) are p(attribute | input), `signatures` (n, a) how strongly each class has
    each, 0 to 1, `priors` (a,) p(attribute). With signatures of 0 and 1 this is
    `sum log p(a_c | x) / p(a_c)`; between them both sides count by their share.
    """
    p, prior = (np.clip(values, _SURE, 1.0 - _SURE) for values in (attributes, priors))
    held, missing = np.log(p / prior), np.log((1.0 - p) / (1.0 - prior))
    found: Floats = signatures @ held + (1.0 - signatures) @ missing
    return found


def eszsl(
    inputs: Floats,
    truth: Floats,
    semantics: Floats,
    gamma: float,
    lam: float,
    prior: Floats | None = None,
) -> Floats:
    """The bilinear map V of Romera-Paredes & Torr (2015, eq. 10), closed form.

    `inputs` (m, d) are examples as rows, `truth` (m, z) is 1 or -1, `semantics` (z, a) describes
    the seen classes. `V = (X X' + gamma I)^-1 X Y S' (S S' + lambda I)^-1` has shape (d, a);
    a class with description s scores `x' V s`.

    With a `prior` map (d, a), the difference to it is what is learned and kept small, so that
    without evidence the prior remains; the paper's prior is zero.
    """
    d, a = inputs.shape[1], semantics.shape[1]
    if prior is not None:
        missing = truth - inputs @ prior @ semantics.T
        return prior + eszsl(inputs, missing, semantics, gamma, lam)
    left = np.linalg.solve(inputs.T @ inputs + gamma * np.eye(d), inputs.T @ truth @ semantics)
    return np.linalg.solve(semantics.T @ semantics + lam * np.eye(a), left.T).T


@dataclass(frozen=True, slots=True)
class Choice:
    """Regularisers, and the mean area under the ROC curve of held-out classes with them."""

    gamma: float
    lam: float
    area: float


GRID = tuple(10.0**power for power in range(-3, 4))  # Romera-Paredes & Torr, section 4


def choose_regularisers(inputs: Floats, truth: Floats, semantics: Floats) -> Choice:
    """By leaving out one seen class after the other: the two that rank its examples best.

    A class counts if it has positive and negative examples. With fewer than three classes there
    is nothing to choose by: 1 and 1, area NaN.
    """
    classes = [c for c in range(truth.shape[1]) if 0 < (truth[:, c] > 0).sum() < len(truth)]
    if len(classes) < 3:  # one to leave out, two to learn from
        return Choice(1.0, 1.0, float("nan"))
    values, vectors = np.linalg.eigh(inputs @ inputs.T)
    best = Choice(1.0, 1.0, -1.0)
    for gamma in GRID:
        # (X X' + gamma I)^-1 X = X (X' X + gamma I)^-1, so predictions need the kernel only.
        smooth = vectors * (values / (values + gamma)) @ vectors.T
        for lam in GRID:
            areas = [_area_without(c, smooth, truth, semantics, lam) for c in classes]
            area = float(np.mean(areas))
            if area > best.area + 1e-9:
                best = Choice(gamma, lam, area)
    return best


def _held_out_scores(
    left_out: int, smooth: Floats, truth: Floats, semantics: Floats, lam: float
) -> Floats:
    """Scores of all inputs for a class that the map was learned without, shape (m,)."""
    others = np.arange(truth.shape[1]) != left_out
    known = semantics[others]
    inner = known.T @ known + lam * np.eye(known.shape[1])
    weights = known @ np.linalg.solve(inner, semantics[left_out])
    found: Floats = smooth @ (truth[:, others] @ weights)
    return found


def _area_without(
    left_out: int, smooth: Floats, truth: Floats, semantics: Floats, lam: float
) -> float:
    scores = _held_out_scores(left_out, smooth, truth, semantics, lam)
    return area_under_curve(scores, truth[:, left_out] > 0)


def area_under_curve(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """How often a positive example scores above a negative one; ties count half."""
    wins = np.sign(scores[positive][:, None] - scores[~positive][None])
    return float((wins.mean() + 1.0) / 2.0)
