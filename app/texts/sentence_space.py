"""Text space of the sentence encoder: one vector per text and per label."""

from collections.abc import Sequence

from app.texts.encoder import SentenceEncoder
from app.texts.space import FitStatistics, Label, TokenVectors, split_compound
from app.vectors import EmbeddingSpace
from app.words.raw_vectors import to_unit_vector

_UNRELATED_SENTENCES = (
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
"""Sentences without a common topic, written for this project."""

_UNRELATED_TOPICS = (
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
"""Topics that none of those sentences is about."""


class SentenceSpace:
    """Embeds texts and labels with one encoder; implements `TextSpace`."""

    work_per_word = 75_000  # 0.3 ms
    work_per_text = 600_000  # two special tokens, and the sentence around a label

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        sentences = encoder.embed(_UNRELATED_SENTENCES)
        self._background = [TokenVectors.single("", row) for row in sentences]
        topics = encoder.embed([_label_sentence(name) for name in _UNRELATED_TOPICS])
        similarities = sentences @ topics.T
        self.background_fit = FitStatistics(float(similarities.mean()), float(similarities.std()))

    @property
    def space(self) -> EmbeddingSpace:
        """The embedding space of the encoder."""
        return self._encoder.space

    @property
    def version(self) -> str:
        """The digest of the weights, which are constant while the process runs."""
        return self.space.digest

    def texts(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Returns one vector per text, and none for a text without a letter or digit."""
        rows = self._encoder.embed(texts)
        return [
            TokenVectors.single(text, row)
            if any(letter.isalnum() for letter in text)
            else TokenVectors.empty(len(row))
            for row, text in zip(rows, texts, strict=True)
        ]

    def labels(self, labels: Sequence[Label]) -> list[TokenVectors]:
        """Returns one vector per label: that of a sentence with its name, keywords and so on."""
        return self.texts([_label_sentence(_describe(label)) for label in labels])

    def raw(self, vector: Sequence[float]) -> TokenVectors:
        """Normalises a vector of the space. Raises InvalidRequest for another dimension."""
        unit = to_unit_vector(vector, self.space.dimension, self.space.name)
        return TokenVectors.single("vector", unit)

    def background(self) -> list[TokenVectors]:
        """Returns the vectors of sentences without a common topic."""
        return self._background


def _describe(label: Label) -> str:
    """Joins name, keywords, attributes by falling strength, and the description."""
    attributes = sorted(label.attributes.items(), key=lambda item: -item[1])
    parts = [
        label.name,
        *label.keywords,
        *(name for name, strength in attributes if strength > 0.0),
    ]
    listed = ", ".join(split_compound(part).lower() for part in parts)
    return f"{listed}: {label.description}" if label.description else listed


def _label_sentence(description: str) -> str:
    """Fills the template of a label; it was chosen on the project's own small data sets."""
    return f"This text is about {description}."
