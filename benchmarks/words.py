"""Compares skip-gram with negative sampling with gensim: words per CPU-second on the same text.

python -m benchmarks.words CORPUS [--rounds 3]

In each round every learner trains one epoch of the same file, in turns, with the same settings (100
dimensions, window 5, k = 5, sample 1e-3, two threads), so that other load affects all equally. Ours
shares 11 negatives per window, the default, or k, which is faster and slightly worse on SimLex-999
(training/LOG.md). Only the training is timed, in CPU seconds of the whole process, without counting
the vocabulary.
"""

import argparse
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
from gensim.models import Word2Vec

from benchmarks.report import conditions, table
from training.words.config import WordConfig
from training.words.corpus import Vocabulary, count_words, encode
from training.words.negative_sampling import learn_negative_sampling

_CONFIG = WordConfig(epochs=1, negatives=5, sample=1e-3, save_every=1e9)
_OURS = {"sima": _CONFIG, "sima, shared = 1": _CONFIG.model_copy(update={"shared": 1.0})}


def ours(corpus: Path, folder: Path, vocabulary: Vocabulary, config: WordConfig) -> float:
    """Train one epoch; returns its CPU seconds."""
    ids = encode(corpus, vocabulary, folder / "ids", lambda _: None)
    checkpoint = folder / "checkpoint.npz"
    checkpoint.unlink(missing_ok=True)
    began = process_time()
    learn_negative_sampling(ids, vocabulary, config, checkpoint, lambda *_: None)
    return process_time() - began


def theirs(corpus: Path) -> float:
    """Train one epoch; returns its CPU seconds."""
    model = Word2Vec(
        vector_size=_CONFIG.dimension,
        window=_CONFIG.window,
        negative=_CONFIG.negatives,
        min_count=_CONFIG.min_count,
        sample=_CONFIG.sample,
        workers=_CONFIG.threads,
        sg=1,
        seed=1,
    )
    model.build_vocab(corpus_file=str(corpus))
    began = process_time()
    model.train(corpus_file=str(corpus), total_words=model.corpus_total_words, epochs=1)
    return process_time() - began


def main() -> None:
    """Print medians over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "corpus", type=Path, help="plain text, because gensim's corpus_file does not read xz"
    )
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    vocabulary = count_words(arguments.corpus, _CONFIG.min_count, None, lambda _: None)
    spent: dict[str, list[float]] = {name: [] for name in (*_OURS, "gensim")}
    with tempfile.TemporaryDirectory() as folder:
        for config in _OURS.values():
            ours(arguments.corpus, Path(folder), vocabulary, config)  # compiles the kernel
        for _ in range(arguments.rounds):
            spent["gensim"].append(theirs(arguments.corpus))
            for name, config in _OURS.items():
                spent[name].append(ours(arguments.corpus, Path(folder), vocabulary, config))
    conditions(
        f"{vocabulary.total:,} words, {len(vocabulary):,} different, 100 dimensions, window 5, "
        f"k = 5, {_CONFIG.threads} threads, median of {arguments.rounds} rounds"
    )
    speed = {name: vocabulary.total / float(np.median(times)) for name, times in spent.items()}
    rows = [(name, f"{value:,.0f}", value / speed["gensim"]) for name, value in speed.items()]
    table(("", "words a CPU-second", "times gensim"), rows)


if __name__ == "__main__":
    main()
