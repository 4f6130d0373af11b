"""Verification metrics: ten-fold accuracy, TAR at FAR, error curves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Similarities = NDArray[np.float64]
"""Similarity of each pair, shape (pairs,); NaN if a face was not detected in both photos."""


@dataclass(frozen=True, slots=True)
class FoldAccuracy:
    """Mean and standard error over the folds, and the share of pairs with NaN similarity."""

    mean: float
    standard_error: float
    failure_to_acquire: float


def ten_fold_accuracy(
    similarities: Similarities, same: NDArray[np.bool_], fold: NDArray[np.int64]
) -> FoldAccuracy:
    """Accuracy by the LFW protocol (Huang et al. 2007).

    The threshold of each fold is the best one on the other folds. A pair with NaN similarity counts
    as an error, genuine or not.
    """
    accuracies = []
    for held in np.unique(fold):
        threshold = _best_threshold(similarities[fold != held], same[fold != held])
        inside = fold == held
        accuracies.append(float(_correct(similarities[inside], same[inside], threshold).mean()))
    return FoldAccuracy(
        float(np.mean(accuracies)),
        float(np.std(accuracies) / np.sqrt(len(accuracies))),
        float(np.isnan(similarities).mean()),
    )


def tar_at_far(similarities: Similarities, same: NDArray[np.bool_], far: float) -> float:
    """True accept rate at the threshold that a fraction `far` of the impostor pairs exceeds.

    A pair with NaN similarity is never accepted.
    """
    known = np.nan_to_num(similarities, nan=-1.0)
    impostors = np.sort(known[~same])[::-1]
    allowed = int(np.floor(far * len(impostors)))
    threshold = impostors[allowed]
    return float((known[same] > threshold).mean())


@dataclass(frozen=True, slots=True)
class Curve:
    """FMR and FNMR at each threshold, highest threshold first; both have shape (thresholds,)."""

    false_match: NDArray[np.float64]
    false_non_match: NDArray[np.float64]


def error_curve(similarities: Similarities, same: NDArray[np.bool_]) -> Curve:
    """FMR and FNMR with every similarity as the threshold; NaN counts as a similarity of -1."""
    known = np.nan_to_num(similarities, nan=-1.0)
    genuine, impostor = np.sort(known[same]), np.sort(known[~same])
    at = np.unique(known)[::-1]
    missed = np.searchsorted(genuine, at, side="left") / len(genuine)
    passed = 1.0 - np.searchsorted(impostor, at, side="left") / len(impostor)
    return Curve(passed, missed)


def _best_threshold(similarities: Similarities, same: NDArray[np.bool_]) -> float:
    known = np.unique(similarities[~np.isnan(similarities)])
    candidates = known[:: max(1, len(known) // 2000)]
    hits = [_correct(similarities, same, float(threshold)).sum() for threshold in candidates]
    return float(candidates[int(np.argmax(hits))])


def _correct(
    similarities: Similarities, same: NDArray[np.bool_], threshold: float
) -> NDArray[np.bool_]:
    accepted = similarities >= threshold
    correct: NDArray[np.bool_] = (accepted == same) & ~np.isnan(similarities)
    return correct
