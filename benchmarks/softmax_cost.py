"""Compares the cost of a training pair by vocabulary size: full softmax and negative sampling.

python -m benchmarks.softmax_cost [--plot docs/img/softmax-cost.png]

Skip-gram, 100 dimensions, one thread, random words; both learners run alternately per vocabulary.
"""

import argparse
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch

from benchmarks.report import conditions, median_ms, table
from training.words.contexts import Examples
from training.words.kernel import make_kernel, sigmoid_table
from training.words.sampling import alias_table, initial_matrices, keep_probabilities
from training.words.softmax import SkipGramSoftmax, cross_entropy

mpl.use("Agg")  # renders without a display
from matplotlib import pyplot as plt

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
DIMENSION, BATCH, WORDS, NEGATIVES, WINDOW = 100, 256, 50_000, 5, 5


def softmax_pair(words: int) -> float:
    """Microseconds per pair for forward pass, backward pass and update."""
    network = SkipGramSoftmax(words, DIMENSION)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    rng = np.random.default_rng(0)
    batch = Examples(
        rng.integers(0, words, (BATCH, 1)).astype(np.int32),
        rng.integers(0, words, BATCH).astype(np.int32),
    )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(network, batch).backward()
        optimizer.step()

    return median_ms(step, times=5) * 1000 / BATCH


def sampled_pair(words: int) -> float:
    """Microseconds per pair of context word and target, including its negatives."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, words, WORDS).astype(np.int32)
    counts = np.full(words, 10, dtype=np.int64)
    kernel = make_kernel(DIMENSION, NEGATIVES, WINDOW, shared=NEGATIVES)
    arguments = (
        ids,
        (0, WORDS),
        initial_matrices(words, DIMENSION, 1),
        keep_probabilities(counts, 0.0),
        alias_table(counts),
        sigmoid_table(),
        0.025,
        1,
    )
    _, outputs = kernel(*arguments)
    return median_ms(partial(kernel, *arguments), times=5) * 1000 / (outputs / (NEGATIVES + 1))


def main() -> None:
    """Print one row per vocabulary size; with --plot, also draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [(size, softmax_pair(size), sampled_pair(size)) for size in SIZES]
    conditions(f"skip-gram, {DIMENSION} dimensions, one thread, microseconds a training pair")
    table(
        ("words", "softmax", "negative sampling", "ratio"),
        [(*row, row[1] / row[2]) for row in rows],
    )
    if arguments.plot is not None:
        sizes, full, sampled = zip(*rows, strict=True)
        figure, axis = plt.subplots(figsize=(6.5, 4))
        axis.loglog(sizes, full, marker="o", label="softmax over all words")
        axis.loglog(sizes, sampled, marker="o", label=f"negative sampling, k = {NEGATIVES}")
        axis.set(xlabel="words in the vocabulary", ylabel="microseconds a training pair")
        axis.grid(alpha=0.3, which="both")
        axis.legend()
        figure.tight_layout()
        arguments.plot.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(arguments.plot, dpi=110)


if __name__ == "__main__":
    main()
