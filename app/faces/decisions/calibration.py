"""Builds a calibration table (similarity -> false match rate) that holds for every group."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.inference.manifest import Calibration
from app.vectors import Matrix

_RATES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 5e-4, 2e-4, 1e-4, 5e-5)
_SUPPORT = 10  # a rate is stated only where at least this many impostor pairs reach its threshold
_SMALLEST_STEP = 1e-4
_FEWEST_PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class GroupRate:
    """The false match rate of one group at one threshold; `fmr` is a fraction of `pairs`."""

    group: str
    pairs: int
    fmr: float


def impostors_by_group(
    embeddings: Matrix, group: NDArray[np.str_], person: NDArray[np.str_]
) -> dict[str, NDArray[np.float32]]:
    """Similarities of all pairs of different people within each named group; rows without a
    group (an empty string) are skipped.
    """
    return {
        str(name): impostors_between(embeddings[group == name], person[group == name])
        for name in np.unique(group[group != ""])
    }


def impostors_between(embeddings: Matrix, identity: NDArray[np.str_]) -> NDArray[np.float32]:
    """Similarities of all pairs of rows with different identities, shape (pairs,).

    `embeddings` has shape (n, dimension), unit rows; `identity` has shape (n,).
    """
    first, second = np.triu_indices(len(embeddings), 1)
    other = identity[first] != identity[second]
    similarity: NDArray[np.float32] = (embeddings @ embeddings.T)[first[other], second[other]]
    return similarity


def genuine_similarities(embeddings: Matrix, identity: NDArray[np.str_]) -> NDArray[np.float32]:
    """Similarities of all pairs of rows with the same identity, shape (pairs,).

    Rows without an identity (an empty string) are skipped.
    """
    known = identity != ""
    rows, names = embeddings[known], identity[known]
    first, second = np.triu_indices(len(rows), 1)
    same = names[first] == names[second]
    similarities: NDArray[np.float32] = (rows[first[same]] * rows[second[same]]).sum(axis=1)
    return similarities


def calibrate(impostors: dict[str, NDArray[np.float32]], population: str) -> Calibration:
    """The calibration table: for each rate, the highest threshold that any group needs.

    The table ends at the lowest rate that the smallest group has enough pairs for. Groups of
    fewer than 20,000 pairs set no knot, unless all groups are that small. Raises ModelError if
    there are too few pairs for two knots.
    """
    large = [pairs for pairs in impostors.values() if len(pairs) >= _FEWEST_PAIRS]
    large = large or list(impostors.values())
    fewest = min((len(pairs) for pairs in large), default=0)
    if fewest < _SUPPORT / _RATES[1]:
        raise ModelError(
            f"{fewest} impostor pairs are too few for a calibration table; at least "
            f"{_SUPPORT / _RATES[1]:.0f} are needed, about 10,000 for a useful one"
        )
    similarity: list[float] = []
    fmr: list[float] = []
    for rate in _RATES:
        if rate * fewest < _SUPPORT:
            break
        needed = max(threshold_at_fmr(pairs, rate) for pairs in large)
        if similarity:
            needed = max(needed, similarity[-1] + _SMALLEST_STEP)
        similarity.append(math.ceil(needed * 1e5) / 1e5)  # rounding down would accept more pairs
        fmr.append(rate)
    return Calibration(
        population=population,
        pairs=sum(len(pairs) for pairs in large),
        similarity=tuple(similarity),
        fmr=tuple(fmr),
    )


def threshold_at_fmr(impostors: NDArray[np.floating], fmr: float) -> float:
    """The lowest float32 threshold that at most a fraction `fmr` of the impostor pairs reaches."""
    ordered = np.sort(impostors)[::-1]
    allowed = int(np.floor(fmr * len(ordered)))
    return float(np.nextafter(np.float32(ordered[allowed]), np.float32(2.0)))


def rates_at(impostors: dict[str, NDArray[np.float32]], threshold: float) -> list[GroupRate]:
    """The measured false match rate of each group at one threshold."""
    return [
        GroupRate(group, len(pairs), float((pairs >= threshold).mean()))
        for group, pairs in impostors.items()
    ]
