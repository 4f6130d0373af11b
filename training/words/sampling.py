"""What skip-gram with negative sampling draws from, and what it starts with."""

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix
from training.words.kernel import BLOCK


def keep_probabilities(counts: NDArray[np.int64], sample: float) -> NDArray[np.float32]:
    """How likely each occurrence of a word is kept: `(sqrt(f / t) + 1) * t / f`, word2vec's own.

    `f` is the word's share of the corpus, `t` is `sample`; 0 keeps everything.
    """
    if sample <= 0.0:
        return np.ones(len(counts), dtype=np.float32)
    share = counts / counts.sum()
    kept = (np.sqrt(share / sample) + 1.0) * sample / share
    return np.minimum(kept, 1.0).astype(np.float32)


def default_negatives(words: int) -> int:
    """k: 5-20 for small corpora, 2-5 for large ones (Mikolov et al. 2013, section 2.2)."""
    if words < 1_000_000:
        return 15
    return 5 if words < 1_000_000_000 else 3


def shared_negatives(negatives: int, times: float) -> int:
    """How many a window shares: about `times` as many, so that with the target they fill blocks."""
    outputs = round(negatives * times) + 1
    return (outputs if outputs <= BLOCK else -(-outputs // BLOCK) * BLOCK) - 1


def alias_table(
    counts: NDArray[np.int64], power: float = 0.75
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Walker's alias method for drawing from unigram^power: a probability and an alias a word."""
    weights = counts.astype(np.float64) ** power
    scaled = weights / weights.sum() * len(weights)
    probability = np.ones(len(weights))
    alias = np.arange(len(weights), dtype=np.int32)
    small = [i for i, value in enumerate(scaled) if value < 1.0]
    large = [i for i, value in enumerate(scaled) if value >= 1.0]
    while small and large:
        low, high = small.pop(), large.pop()
        probability[low], alias[low] = scaled[low], high
        scaled[high] += scaled[low] - 1.0
        (small if scaled[high] < 1.0 else large).append(high)
    return probability.astype(np.float32), alias


def fresh_matrices(words: int, dimension: int, seed: int) -> tuple[Matrix, Matrix, Matrix]:
    """Source vectors in ±0.5 / dimension, target vectors and biases of zero, as word2vec's."""
    rng = np.random.default_rng(seed)
    source = (rng.random((words, dimension), dtype=np.float32) - 0.5) / dimension
    return (
        source.astype(np.float32),
        np.zeros((words, dimension), dtype=np.float32),
        np.zeros(words, dtype=np.float32),
    )
