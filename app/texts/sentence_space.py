"""The sentence encoder as a space of texts: a text is one vector, and so is a label."""

from collections.abc import Sequence

import numpy as np

from app.errors import InvalidRequest
from app.texts.encoder import SentenceEncoder
from app.texts.space import Chance, Label, TokenVectors, spelled_apart
from app.vectors import EmbeddingSpace, Vector, l2_normalize

_EVERYDAY = (
    "We met at the corner and walked home together.",
    "It was later than I thought.",
    "She put the keys on the table and sat down.",
    "Nobody knew where the noise came from.",
    "There were more people than chairs.",
    "He said that he would think about it.",
    "The door was open, so they went in.",
    "I have seen this before, but I forgot where.",
    "Most of them arrived on time.",
    "You can find it on the second page.",
    "They have lived there for many years.",
    "The answer was not what we expected.",
    "A few days later the letter arrived.",
    "Please write your name at the top.",
    "This one is larger than the other.",
    "The old man looked out of the window.",
    "We should talk about it tomorrow.",
    "It depends on how you look at it.",
    "The box was empty when I opened it.",
    "Everyone agreed except his brother.",
    "The street is closed between the two bridges.",
    "She asked for another cup of tea.",
    "There is a small garden behind the house.",
    "He reads a little every evening.",
    "The meeting starts at nine and ends at noon.",
    "The picture hangs in the hall.",
    "I left my coat in the car.",
    "Two of the five answers were wrong.",
    "The children were playing outside.",
    "It took longer than last time.",
    "The shop around the corner sells paper.",
    "They said nothing about the price.",
)
"""Sentences of our own about nothing in particular."""

_TOPICS = (
    "architecture",
    "fishing",
    "mathematics",
    "fashion",
    "history",
    "religion",
    "gardening",
    "trains",
    "language",
    "astronomy",
    "furniture",
    "insects",
)
"""What those sentences are not about."""


class SentenceSpace:
    """Texts, labels and raw vectors of one encoder."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        everyday = encoder.embed(_EVERYDAY)
        self._background = [_bag(row, "") for row in everyday]
        by_chance = everyday @ encoder.embed([_about(name) for name in _TOPICS]).T
        self.chance = Chance(float(by_chance.mean()), float(by_chance.std()))

    @property
    def space(self) -> EmbeddingSpace:
        """That of the encoder."""
        return self._encoder.space

    @property
    def version(self) -> str:
        """The weights never change while the process lives."""
        return self.space.digest

    def texts(self, texts: Sequence[str]) -> list[TokenVectors]:
        """One vector a text; an empty bag for a text without a letter."""
        rows = self._encoder.embed(texts)
        return [
            _bag(row, text) if any(letter.isalnum() for letter in text) else _nothing(row)
            for row, text in zip(rows, texts, strict=True)
        ]

    def labels(self, labels: Sequence[Label]) -> list[TokenVectors]:
        """One vector a label: the name with what is said of it, as one sentence."""
        return self.texts([_about(said_of(label)) for label in labels])

    def raw(self, vector: Vector) -> TokenVectors:
        """A vector of the encoder. Raises InvalidRequest for another length."""
        if vector.shape != (self.space.dimension,):
            raise InvalidRequest(
                "vector", f"{self.space.name} has {self.space.dimension} dimensions"
            )
        return _bag(l2_normalize(vector), "vector")

    def background(self) -> list[TokenVectors]:
        """Everyday sentences."""
        return self._background


def said_of(label: Label) -> str:
    """The name with description, keywords, and attributes by falling strength."""
    strong = sorted(label.attributes.items(), key=lambda item: -item[1])
    parts = [label.name, *label.keywords, *(name for name, held in strong if held > 0.0)]
    listed = ", ".join(spelled_apart(part).lower() for part in parts)
    return f"{listed}: {label.description}" if label.description else listed


def _about(said: str) -> str:
    """The sentence whose vector stands for a label; chosen on the project's own small sets."""
    return f"This text is about {said}."


def _bag(row: Vector, token: str) -> TokenVectors:
    return TokenVectors((token,), row[None], np.ones(1, dtype=np.float32))


def _nothing(row: Vector) -> TokenVectors:
    empty = np.zeros((0, len(row)), dtype=np.float32)
    return TokenVectors((), empty, np.zeros(0, dtype=np.float32))
