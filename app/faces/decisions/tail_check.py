"""Checks the extrapolated tail of a score distribution on a decade that was measured."""

from dataclasses import dataclass

import numpy as np

from app.faces.decisions.calibration import SUPPORT, GroupTail
from app.faces.decisions.scores import ScoreDistribution

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
