"""Examples for the zero-shot tests: token vectors, a text space, classes with known vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.texts.space import FitStatistics, Label, TokenVectors
from app.vectors import EmbeddingSpace, Matrix, l2_normalize


def tokens(*rows: list[float], weights: list[float] | None = None) -> TokenVectors:
    """Token vectors with the given rows, and weights of 1 by default."""
    vectors = np.array(rows, dtype=np.float32)
    values = np.array(weights or [1.0] * len(rows), dtype=np.float32)
    return TokenVectors(tuple(f"t{n}" for n in range(len(rows))), vectors, values)


@dataclass(frozen=True, slots=True)
class ClassWorld:
    """Classes with vectors (classes, 8) and 20 noisy inputs (inputs, 24) of each, which are a
    linear map of the class vectors; `classes` has the class of each input."""

    semantics: Matrix
    inputs: Matrix
    classes: np.ndarray


def class_world(seen: int = 10) -> ClassWorld:
    """A world of `seen` seen classes and four unseen ones, which come last."""
    rng = np.random.default_rng(3)
    semantics = l2_normalize(rng.normal(size=(seen + 4, 8)))
    linear_map = rng.normal(size=(8, 24))
    classes = np.repeat(np.arange(seen + 4), 20)
    noise = 0.3 * rng.normal(size=(len(classes), 24))
    return ClassWorld(semantics, l2_normalize(semantics[classes] @ linear_map + noise), classes)


class CountingSpace:
    """A text space of two dimensions that counts the labels it embeds."""

    work_per_word = work_per_text = 1

    def __init__(self) -> None:
        self.space = EmbeddingSpace("plane", "sha256:plane", 2)
        self.version = "1"
        self.background_fit = FitStatistics(0.0, 1.0)
        self.embedded = 0

    def texts(self, texts: Sequence[str]) -> list[TokenVectors]:
        angles = [float(len(text)) for text in texts]
        return [
            TokenVectors.single(text, l2_normalize(np.array([np.cos(angle), np.sin(angle)])))
            for text, angle in zip(texts, angles, strict=True)
        ]

    def labels(self, labels: Sequence[Label]) -> list[TokenVectors]:
        self.embedded += len(labels)
        return self.texts([label.name for label in labels])

    def raw(self, vector: Sequence[float]) -> TokenVectors:
        return TokenVectors.single("vector", l2_normalize(np.array(vector)))

    def background(self) -> list[TokenVectors]:
        return []
