"""Measures false match and false non-match rates of a model and makes its calibration table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.faces.decisions.scores import STEP, ScoreDistribution
from app.faces.decisions.tail import ParetoTail, TailPrior, fit_tail, priors
from app.inference.manifest import Calibration

_RATES = tuple(m * 10.0**e for e in range(-1, -10, -1) for m in (5, 2, 1))
SUPPORT = 10
"""A rate counts as measured where at least so many impostor pairs reach it."""

FEWEST_PAIRS = 20_000
"""Groups with fewer pairs set no knot of a table, unless all are smaller."""

_TAIL_SHARE, _TAIL_LEAST, _TAIL_MOST = 5e-3, 100, 5_000


@dataclass(frozen=True, slots=True)
class GroupRate:
    """The false match rate of one group at a given threshold."""

    group: str
    pairs: int
    fmr: float


class GroupTail:
    """Thresholds of one group: measured where its pairs support the rate, else extrapolated.

    `prior` is what other groups say about the tail; without it, it is fitted to this group alone.
    """

    def __init__(self, scores: ScoreDistribution, prior: TailPrior | None = None) -> None:
        self._scores = scores
        self._tail: ParetoTail = fit_tail(tail_scores(scores), scores.pairs, prior)

    def measures(self, rate: float) -> bool:
        """Whether enough pairs reach the threshold of `rate`."""
        return rate * self._scores.pairs >= SUPPORT

    def threshold_at(self, rate: float) -> float:
        """The lowest threshold that a share of at most `rate` reaches."""
        if self.measures(rate):
            return self._scores.threshold_at(rate)
        return self.extrapolated_threshold_at(rate)

    def extrapolated_threshold_at(self, rate: float) -> float:
        """The threshold of a low rate according to the fitted tail."""
        return self._tail.threshold_at(rate)


def tail_scores(scores: ScoreDistribution) -> NDArray[np.float64]:
    """The largest scores, ascending, to which a tail is fitted: 0.005 of them, 100 to 5,000."""
    return scores.largest(int(np.clip(_TAIL_SHARE * scores.pairs, _TAIL_LEAST, _TAIL_MOST)))


def calibrate(
    impostors: Mapping[str, ScoreDistribution],
    genuine: ScoreDistribution | None,
    population: str,
) -> Calibration:
    """For each rate the highest threshold that any group needs, from 0.5 down to 1e-9.

    Groups of fewer than 20,000 pairs are measured (`rates_at`) but set no knot, unless all are
    smaller. Rates that a group's pairs do not support are extrapolated by tails of one shape, and
    of scales drawn towards each other. `genuine` scores give each knot's false non-match rate.
    Raises ModelError where there are too few pairs.
    """
    large = [scores for scores in impostors.values() if scores.pairs >= FEWEST_PAIRS]
    large = large or list(impostors.values())
    fewest = min((scores.pairs for scores in large), default=0)
    if fewest < 5 * SUPPORT:
        raise ModelError(
            f"{fewest} pairs of two different people are too few for a calibration table; "
            f"at least {5 * SUPPORT} are needed, and 10,000 for a useful one"
        )
    shared = priors([tail_scores(scores) for scores in large])
    tails = [GroupTail(scores, prior) for scores, prior in zip(large, shared, strict=True)]
    similarity: list[float] = []
    measured_to = _RATES[0]
    for rate in _RATES:
        highest = max(tails, key=lambda tail: tail.threshold_at(rate))
        needed = math.ceil(highest.threshold_at(rate) / STEP - 1e-6) * STEP
        similarity.append(round(max(needed, similarity[-1] + STEP) if similarity else needed, 6))
        if highest.measures(rate):
            measured_to = rate
    return Calibration(
        population=population,
        pairs=sum(scores.pairs for scores in large),
        similarity=tuple(similarity),
        fmr=tuple(float(f"{rate:.0e}") for rate in _RATES),
        measured_to=float(f"{measured_to:.0e}"),
        fnmr=tuple(1.0 - genuine.share_at(s) for s in similarity) if genuine else (),
        genuine_pairs=genuine.pairs if genuine else 0,
    )


def rates_at(impostors: Mapping[str, ScoreDistribution], threshold: float) -> list[GroupRate]:
    """The measured false match rate of each group at one threshold."""
    return [
        GroupRate(group, scores.pairs, scores.share_at(threshold))
        for group, scores in impostors.items()
    ]
