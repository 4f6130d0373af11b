"""Extrapolates the upper tail of a score distribution by extreme-value theory.

Exceedances over a high threshold follow a generalised Pareto distribution (Pickands 1975, Balkema
& de Haan 1974). Its parameters are fitted by probability-weighted moments (Hosking & Wallis 1987).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PRIOR_EXCEEDANCES = 100
"""Weight of the other groups' scale, in exceedances. With it, thresholds from 200 people of a large
group at FMR 1e-4 and 3.6e-5 had an error of 0.5 to 0.8 times that without (ADR 17)."""

_LARGEST_SHAPE = 0.0  # scores have an upper bound, so the tail is not heavier than exponential


@dataclass(frozen=True, slots=True)
class ParetoTail:
    """P(score > x) = rate * (1 + shape * (x - start) / scale) ** (-1 / shape) for x > start."""

    start: float
    rate: float
    shape: float
    scale: float

    def threshold_at(self, rate: float) -> float:
        """The score that a share of `rate` exceeds; `rate` is at most `self.rate`."""
        ratio = rate / self.rate
        if abs(self.shape) < 1e-9:
            return self.start - self.scale * math.log(ratio)
        return self.start + self.scale * (math.pow(ratio, -self.shape) - 1.0) / self.shape


@dataclass(frozen=True, slots=True)
class TailPrior:
    """What other groups say about the tail of a group: its shape, and its scale."""

    shape: float
    scale: float


def fit_tail(
    largest: NDArray[np.float64], pairs: int, prior: TailPrior | None = None
) -> ParetoTail:
    """The tail of `pairs` scores from the largest of them, ascending; at least ten.

    With `prior`, its shape is that of the prior, and its scale is drawn towards that of the prior
    as if this had been measured on 100 more exceedances.
    """
    start, count = float(largest[0]), len(largest) - 1
    shape = fitted_shape(largest) if prior is None else min(prior.shape, _LARGEST_SHAPE)
    scale = fitted_scale(largest, shape)
    if prior is not None:
        weight = count / (count + _PRIOR_EXCEEDANCES)
        scale = weight * scale + (1.0 - weight) * prior.scale
    return ParetoTail(start, count / pairs, shape, scale)


def fitted_scale(largest: NDArray[np.float64], shape: float) -> float:
    """The scale of the tail with this shape that begins at the first of the `largest` scores."""
    # The mean of a generalised Pareto distribution is scale / (1 - shape).
    return float((largest[1:] - largest[0]).mean()) * (1.0 - shape)


def priors(groups: Sequence[NDArray[np.float64]]) -> list[TailPrior]:
    """The prior of each group, given by its largest scores, ascending.

    All groups share one shape. The scale is the mean of the other groups' scales, or its own for
    the only group.
    """
    shape = shared_shape(groups)
    scales = [fitted_scale(largest, shape) for largest in groups]
    total, others = sum(scales), len(scales) - 1
    return [TailPrior(shape, (total - own) / others if others else own) for own in scales]


def prior_of(others: Sequence[NDArray[np.float64]]) -> TailPrior:
    """The prior for a further group: the shared shape and the mean scale of `others`."""
    shape = shared_shape(others)
    scales = [fitted_scale(largest, shape) for largest in others]
    return TailPrior(shape, float(np.mean(scales)))


def fitted_shape(largest: NDArray[np.float64]) -> float:
    """The shape of the tail that begins at the first of the `largest` scores, at most 0."""
    return min(_shape(largest), _LARGEST_SHAPE)


def shared_shape(groups: Sequence[NDArray[np.float64]]) -> float:
    """One shape for the tails of several groups, each given by its largest scores, ascending.

    The mean of the fitted shapes, weighted by the numbers of scores as in regional frequency
    analysis (Hosking & Wallis 1997). The shape of a hundred scores alone has a standard error of
    about 0.1, which moves a threshold two decades further by 0.04.
    """
    shapes = [_shape(largest) for largest in groups]
    weights = [len(largest) - 1 for largest in groups]
    return min(float(np.average(shapes, weights=weights)), _LARGEST_SHAPE)


def _shape(largest: NDArray[np.float64]) -> float:
    exceedances = largest[1:] - largest[0]
    n = len(exceedances)
    mean = float(exceedances.mean())
    ranks = (np.arange(1, n + 1) - 0.35) / n
    weighted = float(((1.0 - ranks) * exceedances).mean())
    spread = mean - 2.0 * weighted  # zero if all exceedances are equal
    return 2.0 - mean / spread if spread > 1e-9 else _LARGEST_SHAPE
