"""Extrapolates the upper tail of a score distribution by extreme-value theory.

Exceedances over a high threshold follow a generalised Pareto distribution (Pickands 1975, Balkema
& de Haan 1974). Its parameters are fitted by probability-weighted moments (Hosking & Wallis 1987).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def fit_tail(largest: NDArray[np.float64], pairs: int, shape: float | None = None) -> ParetoTail:
    """The tail of `pairs` scores from the largest of them, ascending; at least ten.

    Its shape is fitted, too, unless `shape` gives it.
    """
    start, exceedances = float(largest[0]), largest[1:] - largest[0]
    fixed = fitted_shape(largest) if shape is None else min(shape, _LARGEST_SHAPE)
    # The mean of a generalised Pareto distribution is scale / (1 - shape).
    scale = float(exceedances.mean()) * (1.0 - fixed)
    return ParetoTail(start, len(exceedances) / pairs, fixed, scale)


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
