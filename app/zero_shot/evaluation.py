"""Evaluates zero-shot accuracy on labelled texts and on Animals with Attributes 2."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRequest
from app.texts.space import Label, TextSpace
from app.vectors import l2_normalize
from app.zero_shot.classifier import Classifier, ScoringTask
from app.zero_shot.labels import LabelEmbedder
from app.zero_shot.methods import GRID, Floats, eszsl

_BLOCK_SIZE = 64  # texts classified at once
_KEYWORDS = 5  # the first keywords of each label in the label file
_SNIPS = "snips_test.txt"
_FOLDS, _HELD_OUT_CLASSES = 40, 10


@dataclass(frozen=True, slots=True)
class Dataset:
    """Texts, the class name of each text, and the classes as labels."""

    texts: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[Label, ...]


def read_agnews(folder: Path, keywords: int) -> Dataset:
    """AG News (Zhang et al. 2015): titles with texts; the first `keywords` of each label.

    Raises InvalidRequest if a file is missing.
    """
    _require_files(folder, "agnews_labels.csv", "agnews_test.csv")
    with (folder / "agnews_labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=";"))
    labels = [
        Label(row["class_name"], "", tuple(row["keywords"].split()[:keywords])) for row in rows
    ]
    with (folder / "agnews_test.csv").open(encoding="utf-8", newline="") as stream:
        news = list(csv.reader(stream))
    texts = tuple(f"{title} {text}".replace("\\", " ") for _, title, text in news)
    return Dataset(texts, tuple(labels[int(row[0]) - 1].name for row in news), tuple(labels))


def read_tsv(file: Path) -> Dataset:
    """A file with one `label TAB text` per line. Raises InvalidRequest for another line."""
    rows = [line.split("\t", 1) for line in file.read_text(encoding="utf-8").splitlines() if line]
    if not rows or any(len(row) < 2 for row in rows):
        raise InvalidRequest(
            "dataset", f"{file.name}: every line must have a label, a tab and a text"
        )
    names = sorted({name for name, _ in rows})
    return Dataset(
        tuple(text for _, text in rows),
        tuple(name for name, _ in rows),
        tuple(Label(name) for name in names),
    )


def accuracy(space: TextSpace, data: Dataset, progress: Callable[[int], None]) -> float:
    """The share of texts whose best label is their class; a text without a known word is an error.

    `progress` receives the number of texts of each classified block.
    """
    classifier, task = Classifier(LabelEmbedder()), ScoringTask(data.labels)
    correct = 0
    for start in range(0, len(data.texts), _BLOCK_SIZE):
        texts = data.texts[start : start + _BLOCK_SIZE]
        decisions = classifier.decide(space, texts, task)
        for decision, truth in zip(decisions, data.classes[start:], strict=False):
            correct += decision == truth
        progress(len(texts))
    return correct / len(data.texts)


@dataclass(frozen=True, slots=True)
class Animals:
    """Animals with Attributes 2 (Xian et al. 2018).

    `profiles` (classes, attributes) has the strength of each attribute, 0 to 1; `seen` and
    `unseen` are the classes of the standard split.
    """

    names: tuple[str, ...]
    attributes: tuple[str, ...]
    profiles: Floats
    seen: NDArray[np.int64]
    unseen: NDArray[np.int64]


def read_animals(folder: Path) -> Animals:
    """Read the files of AwA2, which do not include the images.

    Raises InvalidRequest if a file is missing.
    """
    splits, matrix = ("trainvalclasses.txt", "testclasses.txt"), "predicate-matrix-continuous.txt"
    _require_files(folder, "classes.txt", "predicates.txt", *splits, matrix)

    def second_column(file: str) -> list[str]:
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        return [line.split()[1] for line in lines if line.strip()]

    names = second_column("classes.txt")
    split = [
        [names.index(name) for name in (folder / file).read_text(encoding="utf-8").split()]
        for file in splits
    ]
    profiles = np.loadtxt(folder / matrix) / 100.0
    seen, unseen = (np.array(rows, dtype=np.int64) for rows in split)
    words = [name.replace("+", " ") for name in names]
    return Animals(tuple(words), tuple(second_column("predicates.txt")), profiles, seen, unseen)


@dataclass(frozen=True, slots=True)
class AnimalScore:
    """Top-1 accuracy over the unseen classes: by word vectors alone, and with ESZSL fitted on the
    seen classes, with its regularisers."""

    words_alone: float
    learned: float
    gamma: float
    lam: float


def name_animals(space: TextSpace, data: Animals) -> AnimalScore:
    """Assign each unseen class, given by its attributes, to one of the unseen names.

    The vector of a name is its fit to the words of every attribute, standardised over the seen
    names and then over the attributes; the vector of a class is its difference from the mean seen
    class. The baseline compares the two by dot product. ESZSL is fitted on the seen classes with
    the baseline as its prior; its regularisers are chosen on held-out seen classes, ten at a time.
    """
    inputs = l2_normalize(data.profiles - data.profiles[data.seen].mean(axis=0)).astype(np.float64)
    fits = _fits(space, data)
    name_vectors = (fits - fits[data.seen].mean(axis=0)) / fits[data.seen].std(axis=0)
    name_vectors -= name_vectors.mean(axis=1, keepdims=True)
    name_vectors /= name_vectors.std(axis=1, keepdims=True) * np.sqrt(name_vectors.shape[1])
    prior = np.eye(len(data.attributes))
    seen, seen_names = inputs[data.seen], name_vectors[data.seen]
    gamma, lam = _choose_regularisers(seen, seen_names, prior)
    learned = eszsl(seen, _truth(len(seen)), seen_names, gamma, lam, prior)
    unseen, unseen_names = inputs[data.unseen], name_vectors[data.unseen]
    return AnimalScore(
        _top1(unseen @ unseen_names.T), _top1(unseen @ learned @ unseen_names.T), gamma, lam
    )


def _fits(space: TextSpace, data: Animals) -> Floats:
    """The cosine of every name with every attribute, shape (names, attributes)."""
    sentences = [f"an animal with the attribute {attribute}" for attribute in data.attributes]
    names, attributes = (
        np.stack([tokens.mean() for tokens in space.texts(texts)]).astype(np.float64)
        for texts in (data.names, sentences)
    )
    return names @ attributes.T


def _choose_regularisers(inputs: Floats, names: Floats, prior: Floats) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    folds = [rng.permutation(len(inputs)) for _ in range(_FOLDS)]
    best, best_accuracy = (1.0, 1.0), -1.0
    for gamma in GRID:
        for lam in GRID:
            accuracies = []
            for fold in folds:
                held_out, kept = fold[:_HELD_OUT_CLASSES], fold[_HELD_OUT_CLASSES:]
                learned = eszsl(inputs[kept], _truth(len(kept)), names[kept], gamma, lam, prior)
                accuracies.append(_top1(inputs[held_out] @ learned @ names[held_out].T))
            if float(np.mean(accuracies)) > best_accuracy + 1e-9:
                best, best_accuracy = (gamma, lam), float(np.mean(accuracies))
    return best


def _truth(classes: int) -> Floats:
    return 2.0 * np.eye(classes) - 1.0


def _top1(scores: Floats) -> float:
    return float((scores.argmax(axis=1) == np.arange(len(scores))).mean())


@dataclass(frozen=True, slots=True)
class LabelledBy:
    """A data set, and the content of its labels: names, or names and keywords."""

    content: str
    dataset: Dataset


def read_dataset(name: str, folder: Path) -> Sequence[LabelledBy]:
    """`agnews` or `snips` from `folder`, or the TSV file at the path `name`; AG News with three
    variants of its labels.

    Raises InvalidRequest if a file is missing or has an invalid line, and OSError.
    """
    if name == "agnews":
        return [
            LabelledBy("names", read_agnews(folder, 0)),
            LabelledBy(f"names and {_KEYWORDS} keywords", read_agnews(folder, _KEYWORDS)),
            LabelledBy("names and all keywords", read_agnews(folder, 1_000)),
        ]
    if name == "snips":
        _require_files(folder, _SNIPS)
    file = folder / _SNIPS if name == "snips" else Path(name)
    return [LabelledBy("names", read_tsv(file))]


def _require_files(folder: Path, *names: str) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InvalidRequest(
            "data", f"{folder} lacks {', '.join(missing)}; name the folder of the data with --data"
        )
