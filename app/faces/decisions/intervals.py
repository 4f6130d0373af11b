"""Confidence intervals of error rates whose pairs share people."""

import math

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

_Z = 1.959964  # of a two-sided 95 % interval


def impostor_interval(hits: NDArray[np.int64], pairs: NDArray[np.int64]) -> Interval:
    """95 % interval of the share of impostor pairs that reach a threshold.

    `hits` and `pairs` (people,) count each person's pairs; every pair belongs to two people, so two
    pairs with a person in common are correlated. The variance is the dyadic cluster-robust one
    (Fafchamps & Gubert 2007), with the pairs' own variance as its lower bound.
    """
    total, rate = int(pairs.sum()) / 2, hits.sum() / pairs.sum()
    residuals = hits - rate * pairs
    own = total * rate * (1.0 - rate)
    variance = max(float((residuals**2).sum()) - own, own) / total**2
    return _wilson(float(rate), variance, len(pairs))


def genuine_interval(hits: NDArray[np.int64], pairs: NDArray[np.int64]) -> Interval:
    """95 % interval of a share of genuine pairs; the pairs of one person are correlated.

    `hits` and `pairs` (people,) count each person's pairs, at least one.
    """
    total, rate = int(pairs.sum()), hits.sum() / pairs.sum()
    residuals = hits - rate * pairs
    variance = max(float((residuals**2).sum()), total * rate * (1.0 - rate)) / total**2
    return _wilson(float(rate), variance, len(pairs))


def _wilson(rate: float, variance: float, people: int) -> Interval:
    """Wilson's score interval with the number of independent pairs that gives `variance`
    (Korn & Graubard 1998); with the number of people where the variance is 0."""
    n = rate * (1.0 - rate) / variance if variance > 0 else people
    centre = rate + _Z**2 / (2 * n)
    spread = _Z * math.sqrt(rate * (1.0 - rate) / n + _Z**2 / (4 * n**2))
    scale = 1.0 + _Z**2 / n
    # Rounding must not exclude the rate itself, in particular not 0 and 1.
    return (
        max(0.0, min(rate, (centre - spread) / scale)),
        min(1.0, max(rate, (centre + spread) / scale)),
    )
