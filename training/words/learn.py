"""Learns word vectors from a text file and writes them to vector files."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from app.vectors import Matrix
from app.words.writers import write_word2vec_binary, write_word2vec_text
from training.words.config import WordConfig
from training.words.contexts import RULES, Ids
from training.words.corpus import END, Vocabulary, count_words, encode

_HELD_OUT = 100  # one line of this many is held out for measuring


@dataclass(frozen=True, slots=True)
class Learned:
    """The written files, the size of the vocabulary, and the speed (corpus words x epochs / s)."""

    text: Path
    binary: Path
    words: int
    words_per_second: float


def learn_words(corpus: Path, run: Path, name: str, config: WordConfig) -> Learned:
    """Write `<name>.txt` and `<name>.bin` (word2vec formats) into `run`.

    Resumes from the checkpoint in `run`. Raises ValueError for an unknown context rule, a rule
    that the objective does not support, a corpus with too few words, or a checkpoint of another
    run.
    """
    if config.context not in RULES:
        raise ValueError(f"unknown context {config.context!r}; choose from {', '.join(RULES)}")
    if config.objective == "negative-sampling" and config.context != "nearby":
        raise ValueError(
            "negative sampling supports the context nearby only; choose a softmax objective"
        )
    run.mkdir(parents=True, exist_ok=True)
    vocabulary, ids = _read(corpus, run, config)
    began = time.monotonic()
    vectors = _learn(ids, vocabulary, run, config)
    seconds = max(time.monotonic() - began, 1e-9)
    text, binary = run / f"{name}.txt", run / f"{name}.bin"
    for file, write in ((text, write_word2vec_text), (binary, write_word2vec_binary)):
        pairs = zip(vocabulary.words, vectors, strict=True)
        with file.open("wb") as stream:
            stream.writelines(write(len(vocabulary), config.dimension, pairs))
    speed = vocabulary.total * config.epochs / seconds
    return Learned(text, binary, len(vocabulary), speed)


def _read(corpus: Path, run: Path, config: WordConfig) -> tuple[Vocabulary, Ids]:
    most = None if config.objective == "negative-sampling" else config.most_words
    with tqdm(desc="counting", unit="word", unit_scale=True, mininterval=1) as bar:
        vocabulary = count_words(corpus, config.min_count, most, bar.update)
    with tqdm(desc="encoding", unit="word", unit_scale=True, mininterval=1) as bar:
        ids = encode(corpus, vocabulary, run / "corpus.ids", bar.update)
    print(f"vocabulary of {len(vocabulary):,} words, corpus of {vocabulary.total:,} words")
    return vocabulary, ids


def _learn(ids: Ids, vocabulary: Vocabulary, run: Path, config: WordConfig) -> Matrix:
    total = len(ids) * config.epochs
    with tqdm(total=total, desc=config.objective, unit="word", unit_scale=True) as bar:

        def report(words: int, loss: float) -> None:
            bar.update(words)
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)

        seen, aside = hold_out(ids)
        if config.objective == "negative-sampling":
            # importing numba and torch takes seconds each, so only the needed one is imported
            from training.words import negative_sampling as sgns  # noqa: PLC0415

            checkpoint = run / "checkpoint.npz"
            weights = sgns.learn_negative_sampling(seen, vocabulary, config, checkpoint, report)
            vectors = weights.source
            found = sgns.held_out_loss(weights, aside, vocabulary, config)
        else:
            from training.words import softmax  # noqa: PLC0415 - torch

            rule, checkpoint = RULES[config.context], run / "checkpoint.pt"
            vectors, network = softmax.learn_softmax(
                seen, len(vocabulary), rule, config, checkpoint, report
            )
            entropy = softmax.held_out_entropy(network, aside, rule, config)
            found = None if entropy is None else (entropy, float(np.log(len(vocabulary))))
    if found is not None:
        print(f"held-out cross-entropy {found[0]:.4f} nats; uniform guessing {found[1]:.4f}")
    return vectors


def hold_out(ids: Ids) -> tuple[Ids, Ids]:
    """Split ids by line: 99 of 100 lines for training, every 100th for measuring."""
    ids = np.asarray(ids)
    line = np.cumsum(ids == END) - (ids == END)
    aside = line % _HELD_OUT == _HELD_OUT - 1
    return ids[~aside], ids[aside]
