"""Runs the compiled kernel: threads, epochs, a linearly decaying rate, checkpoints."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.vectors import Matrix
from training.words.checkpoint import Saver, identity, require_identity
from training.words.config import WordConfig
from training.words.contexts import Ids, NearbyWord
from training.words.corpus import Vocabulary, sentences
from training.words.kernel import make_kernel, sigmoid_table
from training.words.sampling import (
    alias_table,
    default_negatives,
    initial_matrices,
    keep_probabilities,
    shared_negatives,
)

_CHUNK = 200_000  # ids per call of the kernel; the rate is constant within a chunk
_LOWEST_RATE = 1e-4
_MEASURED = 200_000  # held-out examples at most

Report = Callable[[int, float], None]
"""Called with the number of words read and the mean of `|y - p|` over their pairs."""


@dataclass(slots=True)
class Weights:
    """`source` has the embeddings, `target` and `bias` the classifiers; `done` counts chunks."""

    source: Matrix
    target: Matrix
    bias: Matrix
    done: int = 0


def learn_negative_sampling(
    ids: Ids, vocabulary: Vocabulary, config: WordConfig, checkpoint: Path, report: Report
) -> Weights:
    """Weights after all epochs; `source` has shape (words, dimension) and is not normalised.

    Writes `checkpoint` every `save_every` seconds and resumes from it. With one thread the result
    is a function of the seed, with or without interruptions.
    """
    run = identity(config, ids, len(vocabulary))
    weights = _load(checkpoint, len(vocabulary), config, run)
    negatives = negatives_of(config, vocabulary)
    shared = shared_negatives(negatives, config.shared)
    kernel = make_kernel(config.dimension, negatives, config.window, shared)
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

    saver = Saver(checkpoint, config.save_every)
    with ThreadPoolExecutor(config.threads) as pool:
        while weights.done < chunks:
            work = _Work(pool, 2 * config.threads, learn, chunks)
            for words, error, pairs in work.until_due(weights, saver):
                report(words, error / max(1, pairs))
            saver.save(lambda file: _save(file, weights, run))
    return weights


def negatives_of(config: WordConfig, vocabulary: Vocabulary) -> int:
    """k: the configured number, or the default for the size of the corpus."""
    return config.negatives or default_negatives(vocabulary.total)


def held_out_loss(
    weights: Weights, aside: Ids, vocabulary: Vocabulary, config: WordConfig
) -> tuple[float, float] | None:
    """Mean cross-entropy (nats) of a pair and its k negatives on held-out lines, and that of
    uniform guessing, `(k + 1) ln 2`. None if the lines have no pair.
    """
    rng = np.random.default_rng((config.seed, 99))
    rule, negatives = NearbyWord(config.window), negatives_of(config, vocabulary)
    probability, alias = alias_table(vocabulary.counts)
    total, count = 0.0, 0
    for sentence in sentences(aside):
        found = rule.examples(sentence, rng)
        if not len(found):
            continue
        slot = rng.integers(0, len(vocabulary), (len(found), negatives))
        drawn = np.where(rng.random(slot.shape) < probability[slot], slot, alias[slot])
        outputs = np.concatenate([found.targets[:, None], drawn], axis=1)
        context = weights.source[found.contexts[:, 0]]
        dots = np.einsum("nd,nmd->nm", context, weights.target[outputs]) + weights.bias[outputs]
        dots[:, 0] *= -1.0  # -log sigma(x) for the pair, -log sigma(-x) for negatives
        total += float(np.logaddexp(0.0, dots.astype(np.float64)).sum())
        count += len(found)
        if count >= _MEASURED:
            break
    return (total / count, (negatives + 1) * float(np.log(2.0))) if count else None


@dataclass(frozen=True, slots=True)
class _Work:
    """Submits chunks to a thread pool, at most `ahead` of them at a time."""

    pool: ThreadPoolExecutor
    ahead: int
    learn: Callable[[int], tuple[int, float, int]]
    chunks: int

    def until_due(self, weights: Weights, saver: Saver) -> Iterator[tuple[int, float, int]]:
        """Results in order until a save is due; no thread is running after the last one."""
        first = range(weights.done, min(weights.done + self.ahead, self.chunks))
        waiting = deque(self.pool.submit(self.learn, number) for number in first)
        following = first.stop
        while waiting:
            yield waiting.popleft().result()
            weights.done += 1
            if following < self.chunks and not saver.due():
                waiting.append(self.pool.submit(self.learn, following))
                following += 1


def _load(checkpoint: Path, words: int, config: WordConfig, run: str) -> Weights:
    if not checkpoint.exists():
        return Weights(*initial_matrices(words, config.dimension, config.seed))
    with np.load(checkpoint) as stored:
        require_identity(str(stored["run"]), run, checkpoint)
        return Weights(stored["source"], stored["target"], stored["bias"], int(stored["done"]))


def _save(file: Path, weights: Weights, run: str) -> None:
    np.savez(
        file,
        source=weights.source,
        target=weights.target,
        bias=weights.bias,
        done=weights.done,
        run=run,
    )
