"""Estimates the work of embedding and fitting labels, and refuses too much of it.

The unit is a comparison: the dot product of two word vectors of 50 dimensions. With what belongs
to it, it takes 1 to 4 ns, so that the largest work takes one to two seconds of a core. The other
costs are stated in it; they were measured with 100 to 5,000 labels of 1 to 1,000 words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.errors import InvalidRequest
from app.texts.space import Label, TextSpace, TokenVectors
from app.words.text_vectors import tokenize

MAX_COMPARISONS = 600_000_000

_DIMENSION = 50
_PER_ROW, _PER_LABEL = 25, 400  # of a fit: for each word of the labels, for each label
_PER_MATCH = 4  # for each word of the text and label


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of texts or labels, and the number of their words together."""

    texts: int
    words: int

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> "Amount":
        return cls(len(texts), sum(len(tokenize(text)) for text in texts))

    @classmethod
    def of_tokens(cls, texts: Sequence[TokenVectors]) -> "Amount":
        return cls(len(texts), sum(len(text) for text in texts))

    @classmethod
    def of_labels(cls, labels: Iterable[Label]) -> "Amount":
        """Alternatives are counted one by one; names and keywords by their words."""
        texts = words = 0
        for label in labels:
            parts = (label.name, label.description, *label.keywords, *label.attributes)
            alternatives = label.name.count("/") + 1
            texts += alternatives
            words += alternatives * sum(len(tokenize(part)) or 1 for part in parts if part)
        return cls(texts, words)


def fit_work(space: TextSpace, texts: Amount, labels: Amount) -> int:
    """The comparisons of fitting each text to each label (`app.zero_shot.matching.fit`)."""
    per_pair = max(1, space.space.dimension // _DIMENSION)
    pairs = per_pair * texts.words * labels.words
    matches = _PER_MATCH * texts.words * labels.texts
    return pairs + matches + texts.texts * (_PER_ROW * labels.words + _PER_LABEL * labels.texts)


def label_work(space: TextSpace, labels: Amount, background: Amount | None) -> int:
    """The comparisons of embedding labels and standardising them over background texts.

    `background` replaces the background texts of the space.
    """
    work = embedding_work(space, labels)
    if background is None and space.background_fit is None:
        background = Amount.of_tokens(space.background())
    return work if background is None else work + fit_work(space, background, labels)


def require_affordable(work: int) -> None:
    """Raises InvalidRequest for more than MAX_COMPARISONS."""
    if work > MAX_COMPARISONS:
        raise InvalidRequest(
            "labels",
            f"the request needs about {work:,} comparisons of words; at most {MAX_COMPARISONS:,} "
            "are allowed; send fewer or shorter labels and texts, or set explain to false",
        )


def embedding_work(space: TextSpace, texts: Amount) -> int:
    """The time to turn texts into vectors, in comparisons."""
    return texts.words * space.work_per_word + texts.texts * space.work_per_text
