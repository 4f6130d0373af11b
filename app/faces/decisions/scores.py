"""Distributions of comparison scores between known people, as histograms.

Fifty million pairs are counted in blocks, so memory does not grow with their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.vectors import Matrix

STEP = 1e-4
"""Width of a histogram bin; thresholds are multiples of it."""

_LOWEST, _HIGHEST = -1.5, 1.5  # a normalised score may leave the cosine's range
_BINS = round((_HIGHEST - _LOWEST) / STEP)
_BLOCK = 1_024


@dataclass(frozen=True, slots=True)
class LabelledFaces:
    """Embeddings of people who are known.

    `embeddings` has shape (n, dimension), unit length. `person` (n,) names who is shown: two rows
    with different names are two different people. `group` (n,) is empty where unknown.
    `correction` (n,) is what each face takes off a score, in addition to its partner's; zeros
    without score normalisation.
    """

    embeddings: Matrix
    person: NDArray[np.str_]
    group: NDArray[np.str_]
    correction: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.person)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "LabelledFaces":
        """The faces in `rows`, a mask or indices."""
        return LabelledFaces(
            self.embeddings[rows], self.person[rows], self.group[rows], self.correction[rows]
        )

    def corrected_by(self, correction: NDArray[np.float32]) -> "LabelledFaces":
        """The same faces with another correction, shape (n,)."""
        return LabelledFaces(self.embeddings, self.person, self.group, correction)


class ScoreDistribution:
    """Counts of scores in bins of STEP. Each method treats a bin as its lower edge."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, dtype=np.int64)

    def add(self, scores: NDArray[np.float32]) -> None:
        """Count more scores, any shape."""
        bins = np.floor((scores.ravel().astype(np.float64) - _LOWEST) / STEP).astype(np.int64)
        self._counts += np.bincount(np.clip(bins, 0, _BINS - 1), minlength=_BINS)

    def sample(self, share: float, rng: np.random.Generator) -> "ScoreDistribution":
        """A random `share` (0 to 1) of the scores."""
        drawn = ScoreDistribution()
        drawn._counts = rng.binomial(self._counts, share)
        return drawn

    @property
    def pairs(self) -> int:
        """The number of scores."""
        return int(self._counts.sum())

    def share_at(self, threshold: float) -> float:
        """Share of the scores that reach `threshold`, 0 to 1."""
        first = np.ceil(round((threshold - _LOWEST) / STEP, 6))
        return float(self._counts[max(0, int(first)) :].sum() / max(1, self.pairs))

    def threshold_at(self, rate: float) -> float:
        """The lowest multiple of STEP that at most `rate` of the scores reach."""
        reaching = self._counts[::-1].cumsum()[::-1]  # scores at or above each bin
        allowed = rate * self.pairs
        return _LOWEST + int(np.argmax(np.append(reaching, 0) <= allowed)) * STEP

    def largest(self, count: int) -> NDArray[np.float64]:
        """The `count` largest scores, ascending, rounded down to STEP."""
        reaching = self._counts[::-1].cumsum()[::-1]
        first = max(0, int(np.argmax(np.append(reaching, 0) <= count)) - 1)
        edges = _LOWEST + np.arange(first, _BINS) * STEP
        return np.repeat(edges, self._counts[first:])[-count:]


def impostor_scores(faces: LabelledFaces) -> ScoreDistribution:
    """Scores of all pairs that show two different people."""
    return _pair_scores(faces, same=False)


def genuine_scores(faces: LabelledFaces) -> ScoreDistribution:
    """Scores of all pairs that show one person."""
    return _pair_scores(faces, same=True)


def impostor_scores_by_group(faces: LabelledFaces) -> dict[str, ScoreDistribution]:
    """Impostor scores within each named group. Raises ModelError where no face has a group."""
    names = sorted({str(name) for name in faces.group} - {""})
    if not names:
        raise ModelError("no face has a group label; calibrate without groups instead")
    return {name: impostor_scores(faces.take(faces.group == name)) for name in names}


def _pair_scores(faces: LabelledFaces, same: bool) -> ScoreDistribution:
    found = ScoreDistribution()
    for scores, equal in _blocks(faces):
        found.add(scores[equal == same])
    return found


def _blocks(faces: LabelledFaces) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Scores of every unordered pair once, with whether it shows one person."""
    _, code = np.unique(faces.person, return_inverse=True)
    for start in range(0, len(faces), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(faces)))
        scores = faces.embeddings[rows] @ faces.embeddings[start:].T
        scores -= faces.correction[rows, None] + faces.correction[None, start:]
        later = np.arange(start, len(faces))[None] > rows[:, None]
        equal = code[rows, None] == code[None, start:]
        yield scores[later], equal[later]
