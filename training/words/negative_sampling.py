"""The learner around the compiled kernel: threads, epochs, a falling rate, checkpoints."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.vectors import Matrix
from training.words.config import WordConfig
from training.words.contexts import Ids
from training.words.corpus import Vocabulary
from training.words.kernel import make_kernel, sigmoid_table
from training.words.sampling import (
    alias_table,
    default_negatives,
    fresh_matrices,
    keep_probabilities,
)

_CHUNK = 200_000  # ids; the rate falls and the progress moves from chunk to chunk
_LOWEST_RATE = 1e-4

Report = Callable[[int, float], None]
"""Called with how many words were read, and the mean of `|y - p|` over their pairs."""


@dataclass(slots=True)
class Weights:
    """`source` are the embeddings, `target` and `bias` the classifier's; `epoch` is done."""

    source: Matrix
    target: Matrix
    bias: Matrix
    epoch: int = 0


def learn_negative_sampling(
    ids: Ids, vocabulary: Vocabulary, config: WordConfig, checkpoint: Path, report: Report
) -> Matrix:
    """Word vectors, shape (words, dimension), not normalised.

    After each epoch the weights are kept in `checkpoint`; a later call goes on from there. With
    one thread the outcome is a function of the seed.
    """
    weights = _load(checkpoint, len(vocabulary), config)
    negatives = config.negatives or default_negatives(vocabulary.total)
    kernel = make_kernel(config.dimension, negatives, config.window)
    keep = keep_probabilities(vocabulary.counts, config.sample)
    noise, sigmoid = alias_table(vocabulary.counts), sigmoid_table()
    matrices = (weights.source, weights.target, weights.bias)
    starts = list(range(0, len(ids), _CHUNK))
    chunks = len(starts) * config.epochs

    def learn(number: int) -> tuple[int, float, int]:
        start = starts[number % len(starts)]
        part = np.ascontiguousarray(ids[start : start + _CHUNK])
        rate = max(config.rate * (1.0 - number / chunks), _LOWEST_RATE)
        seed = config.seed * 1_000_003 + number
        error, pairs = kernel(part, (0, len(part)), matrices, keep, noise, sigmoid, rate, seed)
        return len(part), error, pairs

    with ThreadPoolExecutor(config.threads) as pool:
        for epoch in range(weights.epoch, config.epochs):
            numbers = range(epoch * len(starts), (epoch + 1) * len(starts))
            for words, error, pairs in pool.map(learn, numbers):
                report(words, error / max(1, pairs))
            weights.epoch = epoch + 1
            _save(checkpoint, weights)
    return weights.source


def _load(checkpoint: Path, words: int, config: WordConfig) -> Weights:
    if not checkpoint.exists():
        return Weights(*fresh_matrices(words, config.dimension, config.seed))
    with np.load(checkpoint) as kept:
        if kept["source"].shape != (words, config.dimension):
            raise ValueError(f"{checkpoint} is of another run: start with an empty folder")
        return Weights(kept["source"], kept["target"], kept["bias"], int(kept["epoch"]))


def _save(checkpoint: Path, weights: Weights) -> None:
    fresh = checkpoint.with_suffix(".new.npz")
    np.savez(
        fresh,
        source=weights.source,
        target=weights.target,
        bias=weights.bias,
        epoch=weights.epoch,
    )
    os.replace(fresh, checkpoint)
