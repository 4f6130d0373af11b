"""Texts and labels as bags of vectors, and what makes them: the words of zero-shot."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.vectors import EmbeddingSpace, Matrix, Vector, l2_normalize


@dataclass(frozen=True, slots=True)
class Label:
    """A class by its name and, where there is more to say, by what is said of it.

    `attributes` has how strongly each holds, 0 to 1.
    """

    name: str
    description: str = ""
    keywords: tuple[str, ...] = ()
    attributes: Mapping[str, float] = field(default_factory=dict)

    def alternatives(self) -> list["Label"]:
        """One label for each name between slashes: *Science/Technology* is either."""
        if "/" not in self.name:
            return [self]
        names = [part.strip() for part in self.name.split("/") if part.strip()]
        return [replace(self, name=name) for name in names or [self.name]]

    def key(self) -> tuple[str, str, tuple[str, ...], tuple[tuple[str, float], ...]]:
        """Equal for labels that say the same."""
        return self.name, self.description, self.keywords, tuple(self.attributes.items())


_CAMEL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])")


def spelled_apart(name: str) -> str:
    """`PlayMusic`, `blue+whale`, `new_york` as the words that they are written together from."""
    return re.sub(r"[+_/]", " ", _CAMEL.sub(" ", name))


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text as the tokens that have vectors, shape (n, dimension), their weights, and the rest.

    Vectors are centred where the space asks for it; lengths don't matter.
    """

    tokens: tuple[str, ...]
    vectors: Matrix
    weights: NDArray[np.float32]
    unknown: tuple[str, ...] = ()

    def mean(self) -> Vector:
        """The weighted mean at unit length; zero for an empty bag."""
        return l2_normalize(self.weights @ self.vectors)

    def without(self, token: int) -> "TokenVectors":
        """All but one token."""
        kept = np.arange(len(self.tokens)) != token
        tokens = tuple(t for t, keep in zip(self.tokens, kept, strict=True) if keep)
        return TokenVectors(tokens, self.vectors[kept], self.weights[kept], self.unknown)


@dataclass(frozen=True, slots=True)
class Chance:
    """Mean and standard deviation of the fit of texts and labels that have nothing in common."""

    typical: float
    spread: float


class TextSpace(Protocol):
    """A space in which texts, words and labels have vectors."""

    @property
    def space(self) -> EmbeddingSpace: ...

    @property
    def version(self) -> str:
        """Changes whenever a vector of the space may have changed."""
        ...

    def texts(self, texts: Sequence[str]) -> list[TokenVectors]:
        """A bag a text; it is empty where no word is known."""
        ...

    def labels(self, labels: Sequence[Label]) -> list[TokenVectors]:
        """A bag a label: of its name, description, keywords, and attributes by their strength."""
        ...

    def raw(self, vector: Vector) -> TokenVectors:
        """A vector of the space that a client sent. Raises InvalidRequest for another length."""
        ...

    def background(self) -> list[TokenVectors]:
        """What texts look like that are about nothing in particular."""
        ...

    @property
    def chance(self) -> Chance | None:
        """How well such texts fit any label; None where labels differ too much in it."""
        ...


class TextSpaces(Protocol):
    """Opens text spaces by name: vocabularies, and the sentence encoder where it is installed."""

    def open(self, name: str) -> TextSpace:
        """Raises VocabularyNotFound."""
        ...
