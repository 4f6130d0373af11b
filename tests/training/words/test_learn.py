"""Word vectors: contexts, corpus, learners, and the whole chain to a served vocabulary."""

import gzip
import itertools
import lzma
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="requires the extra `train`")

from fastapi.testclient import TestClient
from tqdm import tqdm
from typer.testing import CliRunner

from app.main import create_app
from app.words.formats import open_vectors
from tests.conftest import make_settings
from training.cli import app as training_app
from training.words import negative_sampling
from training.words.config import WordConfig
from training.words.contexts import RULES, ContextRule, NearbyWord, PreviousWords, SurroundingWords
from training.words.corpus import END, count_words, encode, sentences
from training.words.learn import hold_out, learn_words

SENTENCE = [
    "I",
    "want",
    "a",
    "glass",
    "of",
    "orange",
    "juice",
    "to",
    "go",
    "along",
    "with",
    "my",
    "cereal",
]
IDS = np.arange(len(SENTENCE), dtype=np.int32)


def spelled(rule: ContextRule, seed: int = 0) -> list[tuple[str, str]]:
    """Context words and target of every example."""
    found = rule.examples(IDS, np.random.default_rng(seed))
    return [
        (" ".join(SENTENCE[word] for word in context), SENTENCE[target])
        for context, target in zip(found.contexts, found.targets, strict=True)
    ]


def test_the_four_context_rules_of_the_lecture() -> None:
    assert ("a glass of orange", "juice") in spelled(PreviousWords(4))
    assert ("a glass of orange to go along with", "juice") in spelled(SurroundingWords(4))
    assert ("orange", "juice") in spelled(PreviousWords(1))
    assert len(spelled(PreviousWords(4))) == len(SENTENCE) - 4
    near = {pair for seed in range(300) for pair in spelled(NearbyWord(5), seed)}
    targets = {target for context, target in near if context == "orange"}
    assert targets == {*SENTENCE[:5], *SENTENCE[6:11]}, (
        "all words within the window, except the word itself"
    )


@pytest.mark.parametrize("name", list(RULES))
def test_short_sentences_have_no_examples(name: str) -> None:
    for length in (0, 1):
        found = RULES[name].examples(IDS[:length], np.random.default_rng(0))
        assert len(found) == 0
        assert found.contexts.shape == (0, RULES[name].width)


@pytest.mark.parametrize("suffix", [".txt", ".gz", ".xz"])
def test_a_corpus_is_encoded_by_line(tmp_path: Path, suffix: str) -> None:
    text = "the cat sat\non the mat\n\nthe سیب the\n".encode()
    packed = {".txt": text, ".gz": gzip.compress(text), ".xz": lzma.compress(text)}[suffix]
    file = tmp_path / f"corpus{suffix}"
    file.write_bytes(packed)
    vocabulary = count_words(file, 1, None, lambda _: None)
    assert vocabulary.words[0] == "the"
    assert (vocabulary.counts[0], vocabulary.total) == (4, 9)
    assert "سیب" in vocabulary.words
    ids = encode(file, vocabulary, tmp_path / "ids", lambda _: None)
    lines = [[vocabulary.words[i] for i in line] for line in sentences(ids) if len(line)]
    assert lines == [["the", "cat", "sat"], ["on", "the", "mat"], ["the", "سیب", "the"]]
    with pytest.raises(ValueError, match="fewer than two words"):
        count_words(file, 2, None, lambda _: None)


def test_long_lines_are_split() -> None:
    ids = np.array([1, 2, 3, 4, 5, END, 6, END], dtype=np.int32)
    assert [list(part) for part in sentences(ids, longest=2)] == [[1, 2], [3, 4], [5], [6]]


def test_every_hundredth_line_is_held_out() -> None:
    ids = np.array([value for line in range(250) for value in (line, line, END)], dtype=np.int32)
    seen, aside = hold_out(ids)
    assert set(aside[aside >= 0]) == {99, 199}
    assert len(seen) + len(aside) == len(ids)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two topics without common words: fruit and vehicles."""
    rng = np.random.default_rng(0)
    topics = [
        (["orange", "apple", "pear", "plum", "سیب"], ["eat", "ripe", "sweet", "juice"]),
        (["car", "train", "truck", "bus", "tram"], ["drive", "fast", "wheel", "road"]),
    ]
    lines = []
    for _ in range(3_000):
        things, words = topics[int(rng.integers(2))]
        phrases = [[*rng.choice(words, 2), rng.choice(things)] for _ in range(3)]
        lines.append(" ".join(word for phrase in phrases for word in phrase))
    file = tmp_path_factory.mktemp("corpus") / "topics.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


SMALL = {"dimension": 16, "epochs": 4, "sample": 0.0, "min_count": 1, "batch": 256, "rate": 0.05}


def learn(corpus: Path, folder: Path, objective: str, context: str) -> dict[str, np.ndarray]:
    """Unit vectors by word."""
    config = WordConfig.model_validate({**SMALL, "objective": objective, "context": context})
    learned = learn_words(corpus, folder, "topics", config)
    with learned.binary.open("rb") as stream:
        return {word: row / np.linalg.norm(row) for word, row in open_vectors(stream).words}


@pytest.mark.parametrize(
    ("objective", "context"),
    [
        ("negative-sampling", "nearby"),
        ("softmax", "nearby"),
        ("softmax", "previous-1"),
        ("language-model", "previous-4"),
        ("language-model", "around-4"),
        ("language-model", "previous-1"),
    ],
)
def test_every_learner_separates_the_topics(
    corpus: Path, tmp_path: Path, objective: str, context: str, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = learn(corpus, tmp_path, objective, context)
    alike = float(vectors["orange"] @ vectors["سیب"])
    assert alike > float(vectors["orange"] @ vectors["truck"]) + 0.2
    printed = capsys.readouterr().out
    losses = re.search(r"entropy ([\d.]+) nats; uniform guessing ([\d.]+)", printed)
    assert losses is not None
    assert float(losses[1]) < 0.95 * float(losses[2])


class Killed(Exception):
    """Ends the run at an arbitrary point."""


@pytest.mark.parametrize("objective", ["negative-sampling", "softmax", "language-model"])
def test_an_interrupted_run_has_the_same_result(
    corpus: Path, tmp_path: Path, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one thread and one seed, interrupted in the middle of an epoch."""
    monkeypatch.setattr(negative_sampling, "_CHUNK", 3_000)
    settings = {**SMALL, "epochs": 2, "threads": 1, "save_every": 0.0, "objective": objective}
    config = WordConfig.model_validate(settings)
    whole = learn_words(corpus, tmp_path / "whole", "w", config).binary.read_bytes()
    steps = itertools.count()

    def update(_bar: object, _words: int) -> None:
        if next(steps) == 20:  # counting and encoding report twice
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(tqdm, "update", update)
        learn_words(corpus, tmp_path / "stopped", "w", config)
    checkpoint = next((tmp_path / "stopped").glob("checkpoint.*"))
    assert learn_words(corpus, tmp_path / "stopped", "w", config).binary.read_bytes() == whole
    changed = config.model_copy(update={"seed": 7})
    with pytest.raises(ValueError, match=f"{checkpoint.name} is from a run with other settings"):
        learn_words(corpus, tmp_path / "stopped", "w", changed)


def test_unsupported_contexts_are_rejected(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose from previous-4"):
        learn_words(corpus, tmp_path, "w", WordConfig(context="far"))
    with pytest.raises(ValueError, match="nearby only"):
        learn_words(corpus, tmp_path, "w", WordConfig(context="previous-4"))


@pytest.mark.parametrize(
    ("objective", "context"),
    [
        ("negative-sampling", "nearby"),
        ("softmax", "previous-1"),
        ("language-model", "previous-4"),
        ("language-model", "around-4"),
    ],
)
def test_learned_vectors_are_served_over_http(
    corpus: Path, tmp_path: Path, objective: str, context: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("SIMA_DATA_DIR", str(data))
    config = tmp_path / "config.toml"
    settings = {**SMALL, "epochs": 4}
    config.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    words = ["words", str(corpus), "--name", "topics", "--run", str(tmp_path / "run")]
    chosen = ["--objective", objective, "--context", context, "--config", str(config)]
    result = CliRunner().invoke(training_app, [*words, *chosen])
    assert result.exit_code == 0, result.output
    settings_of_service = make_settings(data, default_vocabulary="topics")
    with TestClient(create_app(settings_of_service)) as client:
        answer = client.get("/words/orange/nearest", params={"k": 4}).json()
    near = {row["word"] for row in answer["neighbors"]}
    fruit = {"apple", "pear", "plum", "سیب", "eat", "ripe", "sweet", "juice"}
    assert len(near & fruit) >= 3


def test_the_command_rejects_an_unknown_context(corpus: Path, tmp_path: Path) -> None:
    words = ["words", str(corpus), "--name", "topics", "--run", str(tmp_path / "run")]
    refused = CliRunner().invoke(training_app, [*words, "--context", "far"])
    assert refused.exit_code == 2
    assert "previous-4" in refused.output
