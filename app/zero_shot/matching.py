"""How well a text fits labels, as a whole and word by word, in units of what chance gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.texts.space import Chance, TokenVectors
from app.vectors import Matrix, Vector, l2_normalize

Floats = NDArray[np.float32]
Scores = NDArray[np.float64]
"""One number a label, shape (labels,)."""

_SMALLEST_SPREAD = 1e-3
_MOST_AT_ONCE = 4_000_000  # dot products in memory


@dataclass(frozen=True, slots=True)
class LabelVectors:
    """One label, ready to be compared: unit rows of its tokens, their weights, their mean.

    `typical` and `spread` are mean and standard deviation of its fit to background texts.
    """

    rows: Matrix
    weights: NDArray[np.float32]
    mean: Vector
    typical: float = 0.0
    spread: float = 1.0


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Many labels side by side; the tokens of label i start at row `starts[i]`."""

    rows: Matrix
    weights: NDArray[np.float32]
    starts: NDArray[np.int64]
    means: Matrix
    typical: Scores
    spread: Scores


def stack(labels: Sequence[LabelVectors]) -> LabelSet:
    """Labels as one set; none of them is empty."""
    lengths = [len(label.rows) for label in labels]
    return LabelSet(
        np.concatenate([label.rows for label in labels]),
        np.concatenate([label.weights for label in labels]),
        np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        np.stack([label.mean for label in labels]),
        np.array([label.typical for label in labels]),
        np.array([label.spread for label in labels]),
    )


def fit(text: TokenVectors, labels: LabelSet) -> Scores:
    """Half the cosine of the means, half how well single words find each other; -1 to 1.

    The second half is the mean of two directions, each word moving to its most similar
    counterpart: the relaxed word mover's distance (Kusner et al. 2015) with cosines. A text of one
    vector and labels of one vector each leave the plain cosine.
    """
    there, nearest = _counterparts(text, labels)
    weights = np.add.reduceat(labels.weights, labels.starts)
    back = np.add.reduceat(nearest * labels.weights, labels.starts) / weights
    whole = labels.means @ text.mean()
    found: Scores = (0.5 * whole + 0.25 * (there + back)).astype(np.float64)
    return found


def _counterparts(text: TokenVectors, labels: LabelSet) -> tuple[Floats, Floats]:
    """How similar the text's words are to their nearest in each label, by weight, (labels,); and
    how similar each label's token is to its nearest word of the text, (tokens,)."""
    unit = l2_normalize(text.vectors)
    there = np.zeros(len(labels.starts), dtype=np.float32)
    nearest = np.full(len(labels.rows), -1.0, dtype=np.float32)
    block = max(1, _MOST_AT_ONCE // len(labels.rows))
    for start in range(0, len(unit), block):
        dots = unit[start : start + block] @ labels.rows.T
        in_labels = np.maximum.reduceat(dots, labels.starts, axis=1)
        there += text.weights[start : start + block] @ in_labels
        np.maximum(nearest, dots.max(axis=0), out=nearest)
    return there / text.weights.sum(), nearest


def standard_fit(text: TokenVectors, labels: LabelSet) -> Scores:
    """`fit` in standard deviations above what background texts give each label.

    Without it some labels are near everything (hubs: Dinu et al. 2015).
    """
    return (fit(text, labels) - labels.typical) / labels.spread


def standardised(
    labels: Sequence[TokenVectors], background: Sequence[TokenVectors], chance: Chance | None
) -> list[LabelVectors]:
    """Labels with the fit that chance gives them, measured where the space names none."""
    typical_of, spread_of = (chance.typical, chance.spread) if chance else (0.0, 1.0)
    plain = [
        LabelVectors(l2_normalize(bag.vectors), bag.weights, bag.mean(), typical_of, spread_of)
        for bag in labels
    ]
    if not plain or chance is not None:
        return plain
    together = stack(plain)
    fits = np.stack([fit(text, together) for text in background])
    typical, spread = fits.mean(axis=0), np.maximum(fits.std(axis=0), _SMALLEST_SPREAD)
    return [
        LabelVectors(one.rows, one.weights, one.mean, float(mean), float(deviation))
        for one, mean, deviation in zip(plain, typical, spread, strict=True)
    ]
