"""Labels, token vectors, and the protocol of a space that maps texts and labels to them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.vectors import EmbeddingSpace, Matrix, Vector, l2_normalize


@dataclass(frozen=True, slots=True)
class Label:
    """A class, given by its name and optional semantic information.

    `attributes` maps attribute names to their strengths, 0 to 1.
    """

    name: str
    description: str = ""
    keywords: tuple[str, ...] = ()
    attributes: Mapping[str, float] = field(default_factory=dict)

    def alternatives(self) -> list["Label"]:
        """One label per name between slashes: *Science/Technology* has two alternatives."""
        if "/" not in self.name:
            return [self]
        names = [part.strip() for part in self.name.split("/") if part.strip()]
        return [replace(self, name=name) for name in names or [self.name]]

    def key(self) -> tuple[str, str, tuple[str, ...], tuple[tuple[str, float], ...]]:
        """A hashable value of the whole content."""
        return self.name, self.description, self.keywords, tuple(self.attributes.items())


_CAMEL_CASE = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])")


def split_compound(name: str) -> str:
    """`PlayMusic`, `blue+whale` and `new_york` as separate words."""
    return re.sub(r"[+_/]", " ", _CAMEL_CASE.sub(" ", name))


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text as weighted token vectors.

    `tokens` have `vectors`, shape (n, dimension), of any length, and `weights`, shape (n,);
    `unknown` are the tokens without a vector. Vectors may be centred by their space.
    """

    tokens: tuple[str, ...]
    vectors: Matrix
    weights: NDArray[np.float32]
    unknown: tuple[str, ...] = ()

    @classmethod
    def empty(cls, dimension: int, unknown: tuple[str, ...] = ()) -> "TokenVectors":
        """A text without a known token."""
        nothing = np.zeros((0, dimension), dtype=np.float32)
        return cls((), nothing, np.zeros(0, dtype=np.float32), unknown)

    @classmethod
    def single(cls, token: str, vector: Vector) -> "TokenVectors":
        """One token of weight 1."""
        return cls((token,), vector[None], np.ones(1, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.tokens)

    def mean(self) -> Vector:
        """The weighted mean at unit length, shape (dimension,); zeros without tokens."""
        return l2_normalize(self.weights @ self.vectors)


@dataclass(frozen=True, slots=True)
class FitStatistics:
    """Mean and standard deviation of the fit between unrelated texts and labels."""

    mean: float
    std: float


class TextSpace(Protocol):
    """An embedding space with vectors for texts, words and labels."""

    @property
    def space(self) -> EmbeddingSpace: ...

    @property
    def version(self) -> str:
        """Changes whenever a vector of the space may have changed."""
        ...

    def texts(self, texts: Sequence[str]) -> list[TokenVectors]:
        """The token vectors of each text; empty for a text without a known token."""
        ...

    def labels(self, labels: Sequence[Label]) -> list[TokenVectors]:
        """The token vectors of each label: name, description, keywords and attributes, the
        attributes weighted by strength."""
        ...

    def raw(self, vector: Sequence[float]) -> TokenVectors:
        """A vector that a client sent. Raises InvalidRequest for another dimension."""
        ...

    def background(self) -> list[TokenVectors]:
        """Texts without a topic: the sample against which a label's fit is standardised."""
        ...

    @property
    def work_per_word(self) -> int:
        """The time to embed a word of a text, in dot products (4 ns)."""
        ...

    @property
    def work_per_text(self) -> int:
        """The time to embed a text, beside that of its words, in dot products (4 ns)."""
        ...

    @property
    def background_fit(self) -> FitStatistics | None:
        """The fit of background texts to any label; None if it must be measured per label."""
        ...


class TextSpaces(Protocol):
    """Opens text spaces by name: vocabularies and, if installed, the sentence encoder."""

    def open(self, name: str) -> TextSpace:
        """Raises VocabularyNotFound."""
        ...
