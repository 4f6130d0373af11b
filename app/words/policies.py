"""How a vocabulary looks a word up: which spellings count as the same word."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, cast

from app.errors import InvalidRequest

Unknown = Literal["error", "lowercase", "skip"]
Normalisation = Literal["none", "persian"]

_PERSIAN = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ـ": None, "\u200c": None})
_HARAKAT = re.compile("[\u064b-\u0652\u0670]")  # vowel signs, written or left out at will


@dataclass(frozen=True, slots=True)
class WordPolicy:
    """`unknown`: what becomes of a word that is unknown as written. `error` refuses it,
    `lowercase` tries it in lower case first, and `skip` does both and leaves it out of a list of
    words where there are others.

    `normalisation`: with `persian` the Arabic and the Persian forms of yeh and kaf are one
    letter, and tatweel, vowel signs and the zero-width non-joiner don't matter; the words of
    the vocabulary were folded in the same way when it was made.
    """

    unknown: Unknown = "error"
    normalisation: Normalisation = "none"

    @classmethod
    def of(cls, options: Mapping[str, str]) -> "WordPolicy":
        """As a collection keeps it; what is missing has its default."""
        return cls(
            cast(Unknown, options.get("unknown", "error")),
            cast(Normalisation, options.get("normalisation", "none")),
        )

    def options(self) -> dict[str, str]:
        """For the collection to keep."""
        return asdict(self)

    def fold(self, word: str) -> str:
        """The spelling under which the vocabulary holds a word. Raises InvalidRequest for none."""
        if self.normalisation == "none":
            return word
        folded = fold_persian(word)
        if not folded:
            raise InvalidRequest("word", "nothing is left of it once it is normalised")
        return folded

    def spellings(self, word: str) -> tuple[str, ...]:
        """What to look for, best first."""
        folded = fold_persian(word) if self.normalisation == "persian" else word
        forms = (folded,) if self.unknown == "error" else (folded, folded.lower())
        return tuple(dict.fromkeys(form for form in forms if form))


def fold_persian(word: str) -> str:
    """NFC with Persian yeh and kaf, without tatweel, vowel signs and zero-width non-joiners."""
    return _HARAKAT.sub("", unicodedata.normalize("NFC", word).translate(_PERSIAN))
