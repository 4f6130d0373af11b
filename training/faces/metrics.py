"""Numbers of a verification experiment: accuracy, TAR at FAR, false match rate by similarity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Similarities = NDArray[np.float64]
"""One number a pair; NaN where a face was not found in one of the two photos."""


@dataclass(frozen=True, slots=True)
class FoldAccuracy:
    """Mean and standard error over the folds, and the share of pairs that were not acquired."""

    mean: float
    standard_error: float
    failure_to_acquire: float


def ten_fold_accuracy(
    similarities: Similarities, same: NDArray[np.bool_], fold: NDArray[np.int64]
) -> FoldAccuracy:
    """The LFW protocol (Huang et al. 2007): each fold is judged with the others' best threshold.

    A pair that was not acquired counts as an error, whichever kind it is.
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
    """Share of genuine pairs above the threshold that `far` of the impostors pass.

    A pair that was not acquired is never accepted.
    """
    known = np.nan_to_num(similarities, nan=-1.0)
    impostors = np.sort(known[~same])[::-1]
    allowed = int(np.floor(far * len(impostors)))
    threshold = impostors[allowed]
    return float((known[same] > threshold).mean())


@dataclass(frozen=True, slots=True)
class Curve:
    """Error rates over all thresholds, strictest first; each array has one entry a threshold."""

    false_match: NDArray[np.float64]
    false_non_match: NDArray[np.float64]


def error_curve(similarities: Similarities, same: NDArray[np.bool_]) -> Curve:
    """FMR and FNMR at every similarity that occurs; a pair not acquired is never accepted."""
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
    right: NDArray[np.bool_] = (accepted == same) & ~np.isnan(similarities)
    return right
