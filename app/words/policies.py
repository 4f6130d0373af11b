"""The spelling policy of a vocabulary: which spellings are looked up as the same word."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, cast

from app.errors import InvalidRequest

Unknown = Literal["error", "lowercase", "skip"]
Normalisation = Literal["none", "persian"]

_PERSIAN = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ـ": None, "\u200c": None})
_HARAKAT = re.compile("[\u064b-\u0652\u0670]")  # optional vowel signs


@dataclass(frozen=True, slots=True)
class WordPolicy:
    """The lookup options of a vocabulary.

    `unknown` is the treatment of a word that is unknown as written: `error` refuses it,
    `lowercase` tries it in lower case first, and `skip` tries lower case and then leaves the word
    out of a list in which other words are known.

    `normalisation`: under `persian` the Arabic and Persian forms of yeh and kaf are the same
    letter, and tatweel, vowel signs and the zero-width non-joiner are ignored. The words of the
    vocabulary were folded in the same way when it was imported.
    """

    unknown: Unknown = "error"
    normalisation: Normalisation = "none"

    @classmethod
    def of(cls, options: Mapping[str, str]) -> "WordPolicy":
        """The policy in the options of a collection; missing options have their defaults."""
        return cls(
            cast(Unknown, options.get("unknown", "error")),
            cast(Normalisation, options.get("normalisation", "none")),
        )

    def options(self) -> dict[str, str]:
        """The policy as options of a collection; the inverse of `of`."""
        return asdict(self)

    def fold(self, word: str) -> str:
        """The spelling under which the vocabulary stores a word. Raises InvalidRequest if
        normalisation removes every character."""
        if self.normalisation == "none":
            return word
        folded = fold_persian(word)
        if not folded:
            raise InvalidRequest(
                "word", "word has only characters that the Persian normalisation removes"
            )
        return folded

    def spellings(self, word: str) -> tuple[str, ...]:
        """The spellings to look up, in order of preference."""
        folded = fold_persian(word) if self.normalisation == "persian" else word
        forms = (folded,) if self.unknown == "error" else (folded, folded.lower())
        return tuple(dict.fromkeys(form for form in forms if form))


def fold_persian(word: str) -> str:
    """NFC with Persian yeh and kaf, without tatweel, vowel signs and zero-width non-joiners."""
    return _HARAKAT.sub("", unicodedata.normalize("NFC", word).translate(_PERSIAN))
