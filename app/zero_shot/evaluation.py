"""How often zero-shot is right: on labelled texts, on animals known by their attributes."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRequest
from app.texts.space import Label, TextSpace
from app.vectors import l2_normalize
from app.zero_shot.classifier import Classifier, Order
from app.zero_shot.methods import GRID, Floats, eszsl

_BLOCK = 64
_KEYWORDS = 5  # of those that the label file lists, the first
_FOLDS, _WAYS = 40, 10


@dataclass(frozen=True, slots=True)
class Dataset:
    """Texts, the name of each one's class, and the classes as labels."""

    texts: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[Label, ...]


def read_agnews(folder: Path, keywords: int) -> Dataset:
    """AG News (Zhang et al. 2015): title and text; `keywords` of each label, of those listed."""
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
    """`label TAB text` a line. Raises InvalidRequest for a line without a tab."""
    rows = [line.split("\t", 1) for line in file.read_text(encoding="utf-8").splitlines() if line]
    if not rows or any(len(row) < 2 for row in rows):
        raise InvalidRequest("dataset", f"{file.name}: expected a label, a tab and a text a line")
    names = sorted({name for name, _ in rows})
    return Dataset(
        tuple(text for _, text in rows),
        tuple(name for name, _ in rows),
        tuple(Label(name) for name in names),
    )


def accuracy(space: TextSpace, data: Dataset, progress: Callable[[int], None]) -> float:
    """Share of texts whose best label is their class; a text of unknown words only is wrong."""
    classifier, order = Classifier(), Order(data.labels)
    right = 0
    for start in range(0, len(data.texts), _BLOCK):
        texts = data.texts[start : start + _BLOCK]
        for found, wanted in zip(
            classifier.decide(space, texts, order), data.classes[start:], strict=False
        ):
            right += found == wanted
        progress(len(texts))
    return right / len(data.texts)


@dataclass(frozen=True, slots=True)
class Animals:
    """Animals with Attributes 2 (Xian et al. 2018): how much each class has of each attribute
    (classes, attributes), 0 to 1, and the standard split."""

    names: tuple[str, ...]
    attributes: tuple[str, ...]
    profiles: Floats
    seen: NDArray[np.int64]
    unseen: NDArray[np.int64]


def read_animals(folder: Path) -> Animals:
    """The files of AwA2, without its images."""

    def second_column(file: str) -> list[str]:
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        return [line.split()[1] for line in lines if line.strip()]

    names = second_column("classes.txt")
    wanted = [
        [names.index(name) for name in (folder / file).read_text(encoding="utf-8").split()]
        for file in ("trainvalclasses.txt", "testclasses.txt")
    ]
    profiles = np.loadtxt(folder / "predicate-matrix-continuous.txt") / 100.0
    seen, unseen = (np.array(rows, dtype=np.int64) for rows in wanted)
    said = [name.replace("+", " ") for name in names]
    return Animals(tuple(said), tuple(second_column("predicates.txt")), profiles, seen, unseen)


@dataclass(frozen=True, slots=True)
class AnimalScore:
    """Top-1 among the unseen classes: by words alone, and with ESZSL from the seen classes."""

    words_alone: float
    learned: float
    gamma: float
    lam: float


def name_animals(space: TextSpace, data: Animals) -> AnimalScore:
    """Each class by its attributes, to be told its name among the names of its like.

    A name is described by how well it fits every attribute's words, in standard deviations, over
    the seen names and then over the attributes; a class by how far it lies from the mean seen
    class. Words alone compare the two; ESZSL learns from the seen classes which attributes the
    words are right about, with that comparison as its prior. Its regularisers are those that do
    best on seen classes that are held out, ten at a time.
    """
    inputs = l2_normalize(data.profiles - data.profiles[data.seen].mean(axis=0)).astype(np.float64)
    fits = _fits(space, data)
    told = (fits - fits[data.seen].mean(axis=0)) / fits[data.seen].std(axis=0)
    told = (told - told.mean(axis=1, keepdims=True)) / told.std(axis=1, keepdims=True)
    told /= np.sqrt(told.shape[1])
    prior = np.eye(len(data.attributes))
    gamma, lam = _chosen(inputs[data.seen], told[data.seen], prior)
    learned = eszsl(inputs[data.seen], _truth(len(data.seen)), told[data.seen], gamma, lam, prior)
    unseen, names = inputs[data.unseen], told[data.unseen]
    return AnimalScore(_hits(unseen @ names.T), _hits(unseen @ learned @ names.T), gamma, lam)


def _fits(space: TextSpace, data: Animals) -> Floats:
    """Cosine of every name with every attribute, shape (names, attributes)."""
    said = [f"an animal with the attribute {attribute}" for attribute in data.attributes]
    names, attributes = (
        np.stack([bag.mean() for bag in space.texts(texts)]).astype(np.float64)
        for texts in (data.names, said)
    )
    return names @ attributes.T


def _chosen(inputs: Floats, told: Floats, prior: Floats) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    folds = [rng.permutation(len(inputs)) for _ in range(_FOLDS)]
    best, most = (1.0, 1.0), -1.0
    for gamma in GRID:
        for lam in GRID:
            hits = []
            for fold in folds:
                out, kept = fold[:_WAYS], fold[_WAYS:]
                learned = eszsl(inputs[kept], _truth(len(kept)), told[kept], gamma, lam, prior)
                hits.append(_hits(inputs[out] @ learned @ told[out].T))
            if float(np.mean(hits)) > most + 1e-9:
                best, most = (gamma, lam), float(np.mean(hits))
    return best


def _truth(classes: int) -> Floats:
    return 2.0 * np.eye(classes) - 1.0


def _hits(scores: Floats) -> float:
    return float((scores.argmax(axis=1) == np.arange(len(scores))).mean())


def read_dataset(name: str, folder: Path) -> Sequence[tuple[str, Dataset]]:
    """`agnews`, `snips`, or a TSV file by its path; with each, how its labels are told."""
    if name == "agnews":
        return [
            ("names", read_agnews(folder, 0)),
            (f"names and {_KEYWORDS} keywords", read_agnews(folder, _KEYWORDS)),
            ("names and all keywords", read_agnews(folder, 1_000)),
        ]
    return [("names", read_tsv(folder / "snips_test.txt" if name == "snips" else Path(name)))]
