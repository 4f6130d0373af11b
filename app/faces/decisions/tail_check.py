"""Checks extrapolated tails against thresholds that were measured with more pairs."""

from dataclasses import dataclass

import numpy as np

from app.faces.decisions.calibration import SUPPORT, GroupTail
from app.faces.decisions.scores import LabelledFaces, ScoreDistribution, impostor_scores
from app.faces.decisions.tail import TailPrior

_HIDDEN = 0.1  # share of the pairs that the extrapolation knows: one decade less
_FEWEST_PAIRS = 200_000  # a tenth of them is still enough for a table
_DRAWS = 20


@dataclass(frozen=True, slots=True)
class TailCheck:
    """Thresholds for the lowest rate that all pairs support.

    `measured` is from all pairs; `lowest`, `mean` and `highest` are extrapolated from random tenths
    of them.
    """

    rate: float
    measured: float
    lowest: float
    mean: float
    highest: float


def check_tail(scores: ScoreDistribution, seed: int = 0) -> TailCheck | None:
    """Extrapolate by one decade and compare; None for fewer than 200,000 pairs."""
    if scores.pairs < _FEWEST_PAIRS:
        return None
    rate = SUPPORT / scores.pairs
    rng = np.random.default_rng(seed)
    found = [
        GroupTail(scores.sample(_HIDDEN, rng)).extrapolated_threshold_at(rate)
        for _ in range(_DRAWS)
    ]
    return TailCheck(rate, scores.threshold_at(rate), min(found), float(np.mean(found)), max(found))


@dataclass(frozen=True, slots=True)
class SmallGroupCheck:
    """Thresholds for one rate from a few people of a group, against that of the whole group.

    `alone` is the root mean square error of a tail that is fitted to the few people's pairs only,
    `shared` that with a prior.
    """

    rate: float
    measured: float
    alone: float
    shared: float


def check_small_group(
    faces: LabelledFaces, prior: TailPrior, people: int = 220, seed: int = 0
) -> SmallGroupCheck | None:
    """Extrapolate from pairs of `people` random people with one face each, to the lowest rate that
    all pairs of the group support.

    `prior` should come from other groups. None for groups of fewer than 200,000 pairs.
    """
    whole = impostor_scores(faces)
    if whole.pairs < _FEWEST_PAIRS:
        return None
    rate = SUPPORT / whole.pairs
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(_DRAWS):
        rows = rng.permutation(len(faces))
        _, first = np.unique(faces.person[rows], return_index=True)
        few = impostor_scores(faces.take(rows[rng.permutation(first)[:people]]))
        tails = (GroupTail(few), GroupTail(few, prior))
        errors.append([tail.extrapolated_threshold_at(rate) for tail in tails])
    measured = whole.threshold_at(rate)
    alone, shared = np.sqrt(((np.array(errors) - measured) ** 2).mean(axis=0)).tolist()
    return SmallGroupCheck(rate, measured, alone, shared)
