"""The fit of a text to labels, standardised against background texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.texts.space import FitStatistics, TokenVectors
from app.vectors import Matrix, Vector, l2_normalize

Floats = NDArray[np.float32]
Scores = NDArray[np.float64]
"""One number per label, shape (labels,)."""

_MIN_STD = 1e-3
_MAX_DOT_PRODUCTS = 4_000_000  # in memory at a time
_UNIT = FitStatistics(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class LabelVectors:
    """The vectors of one label: unit rows of its tokens, their weights and their mean.

    `background_fit` has the mean and standard deviation of its fit to background texts.
    """

    rows: Matrix
    weights: NDArray[np.float32]
    mean: Vector
    background_fit: FitStatistics


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The vectors of n labels, concatenated; the tokens of label i start at row `starts[i]`.

    `means` has shape (n, dimension); `fit_mean` and `fit_std` (n,) are the statistics of each
    label's fit to background texts.
    """

    rows: Matrix
    weights: NDArray[np.float32]
    starts: NDArray[np.int64]
    means: Matrix
    fit_mean: Scores
    fit_std: Scores


def stack(labels: Sequence[LabelVectors]) -> LabelSet:
    """One set of labels that have at least one token each."""
    lengths = [len(label.rows) for label in labels]
    return LabelSet(
        np.concatenate([label.rows for label in labels]),
        np.concatenate([label.weights for label in labels]),
        np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        np.stack([label.mean for label in labels]),
        np.array([label.background_fit.mean for label in labels]),
        np.array([label.background_fit.std for label in labels]),
    )


def fit(text: TokenVectors, labels: LabelSet) -> Scores:
    """The similarity of a text to each label, -1 to 1.

    Half is the cosine of the means. The other half is the relaxed word mover's similarity (Kusner
    et al. 2015) with cosines: the weighted mean of each token's similarity to its most similar
    token on the other side, averaged over both directions. For a text and labels of one vector
    each it is the cosine.
    """
    text_to_labels, token_similarities = _relaxed_matching(text, labels)
    weights = np.add.reduceat(labels.weights, labels.starts)
    labels_to_text = np.add.reduceat(token_similarities * labels.weights, labels.starts) / weights
    means = labels.means @ text.mean()
    fits: Scores = (0.5 * means + 0.25 * (text_to_labels + labels_to_text)).astype(np.float64)
    return fits


def _relaxed_matching(text: TokenVectors, labels: LabelSet) -> tuple[Floats, Floats]:
    """Both directions of the relaxed matching.

    First, shape (labels,): the weighted mean over the text's tokens of the similarity to the most
    similar token of the label. Second, shape (rows,): the similarity of each label token to the
    most similar token of the text.
    """
    unit = l2_normalize(text.vectors)
    text_to_labels = np.zeros(len(labels.starts), dtype=np.float32)
    token_similarities = np.full(len(labels.rows), -1.0, dtype=np.float32)
    block_size = max(1, _MAX_DOT_PRODUCTS // len(labels.rows))
    for start in range(0, len(unit), block_size):
        dots = unit[start : start + block_size] @ labels.rows.T
        best_in_labels = np.maximum.reduceat(dots, labels.starts, axis=1)
        text_to_labels += text.weights[start : start + block_size] @ best_in_labels
        np.maximum(token_similarities, dots.max(axis=0), out=token_similarities)
    return text_to_labels / text.weights.sum(), token_similarities


def standardised_fit(text: TokenVectors, labels: LabelSet) -> Scores:
    """`fit` in standard deviations above the mean fit of background texts.

    Without it, some labels are the nearest ones of most texts (hubs: Dinu et al. 2015).
    """
    return (fit(text, labels) - labels.fit_mean) / labels.fit_std


def standardise(
    labels: Sequence[TokenVectors],
    background: Sequence[TokenVectors],
    background_fit: FitStatistics | None,
) -> list[LabelVectors]:
    """The vectors of labels with the statistics of their background fit.

    The statistics are `background_fit`, or measured for each label on `background` if it is None.
    """
    vectors = [
        LabelVectors(
            l2_normalize(tokens.vectors), tokens.weights, tokens.mean(), background_fit or _UNIT
        )
        for tokens in labels
    ]
    if not vectors or background_fit is not None:
        return vectors
    label_set = stack(vectors)
    fits = np.stack([fit(text, label_set) for text in background])
    means, stds = fits.mean(axis=0), np.maximum(fits.std(axis=0), _MIN_STD)
    return [
        replace(label, background_fit=FitStatistics(float(mean), float(std)))
        for label, mean, std in zip(vectors, means, stds, strict=True)
    ]
