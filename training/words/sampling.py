"""Sampling distributions and initial matrices of skip-gram with negative sampling."""

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix
from training.words.kernel import BLOCK


def keep_probabilities(counts: NDArray[np.int64], sample: float) -> NDArray[np.float32]:
    """Probability that subsampling keeps a word: `(sqrt(f / t) + 1) * t / f`, as in word2vec.

    `f` is the word's share of the corpus, `t` is `sample`; 0 keeps everything. Shape (words,).
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
    """Number of negatives per window: about `negatives` x `times`, rounded up so that they and the
    target fill whole blocks of the kernel.
    """
    outputs = round(negatives * times) + 1
    return (outputs if outputs <= BLOCK else -(-outputs // BLOCK) * BLOCK) - 1


def alias_table(
    counts: NDArray[np.int64], power: float = 0.75
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Walker's alias table for drawing from unigram^power: probability and alias of each word."""
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


def initial_matrices(words: int, dimension: int, seed: int) -> tuple[Matrix, Matrix, Matrix]:
    """Initial source vectors (uniform in ±0.5 / dimension), target vectors and biases (zero)."""
    rng = np.random.default_rng(seed)
    source = (rng.random((words, dimension), dtype=np.float32) - 0.5) / dimension
    return (
        source.astype(np.float32),
        np.zeros((words, dimension), dtype=np.float32),
        np.zeros(words, dtype=np.float32),
    )
