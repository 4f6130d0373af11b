"""Who hands out spaces of texts by name; `wiring` knows one."""

from typing import Protocol

from app.bags import TextSpace


class TextSpaces(Protocol):
    """Vocabularies, and the sentence encoder where it is installed, by the same kind of name."""

    def open(self, name: str) -> TextSpace:
        """Raises VocabularyNotFound."""
        ...
