"""Context rules: which words of a sentence a target word is predicted from.

The lecture's four rules for *I want a glass of orange juice to go along with my cereal*: the four
words before the target, four words on either side, the word before it, or one nearby word.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Ids = NDArray[np.int32]
"""Word ids, 0 for the most frequent word."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Training examples: `contexts` (n, width) and `targets` (n,)."""

    contexts: Ids
    targets: Ids

    def __len__(self) -> int:
        return len(self.targets)


class ContextRule(Protocol):
    """Makes examples from a sentence. `width` is the number of words in a context."""

    @property
    def width(self) -> int: ...

    def examples(self, sentence: Ids, rng: Generator) -> Examples: ...


@dataclass(frozen=True, slots=True)
class PreviousWords:
    """The `count` words before the target, as in a language model (4) or a bigram model (1)."""

    count: int

    @property
    def width(self) -> int:
        """Words in a context."""
        return self.count

    def examples(self, sentence: Ids, _rng: Generator) -> Examples:
        """One example for each word with `count` words before it."""
        return _at(sentence, range(-self.count, 0))


@dataclass(frozen=True, slots=True)
class SurroundingWords:
    """The `count` words before the target and the `count` words after it."""

    count: int

    @property
    def width(self) -> int:
        """Words in a context."""
        return 2 * self.count

    def examples(self, sentence: Ids, _rng: Generator) -> Examples:
        """One example for each word with `count` words on either side."""
        return _at(sentence, [*range(-self.count, 0), *range(1, self.count + 1)])


@dataclass(frozen=True, slots=True)
class NearbyWord:
    """Skip-gram: each word is the context of one random other word within the window."""

    window: int

    @property
    def width(self) -> int:
        """Words in a context."""
        return 1

    def examples(self, sentence: Ids, rng: Generator) -> Examples:
        """One example for each word; none for a sentence of fewer than two words."""
        n = len(sentence)
        if n < 2:
            return Examples(sentence[:0, None], sentence[:0])
        place = np.arange(n)
        first, last = np.maximum(place - self.window, 0), np.minimum(place + self.window, n - 1)
        target = rng.integers(first, last)  # one position fewer: the word itself is skipped
        target += target >= place
        return Examples(sentence[:, None], sentence[target])


def _at(sentence: Ids, offsets: "range | list[int]") -> Examples:
    """Contexts at fixed offsets from the target."""
    before, after = max(0, -min(offsets)), max(0, *offsets, 0)
    places = np.arange(before, len(sentence) - after)
    contexts = sentence[places[:, None] + np.array(list(offsets), dtype=np.int64)]
    return Examples(contexts, sentence[places])


RULES: dict[str, ContextRule] = {
    "previous-4": PreviousWords(4),
    "around-4": SurroundingWords(4),
    "previous-1": PreviousWords(1),
    "nearby": NearbyWord(5),
}
"""The rules by their names on the command line."""
