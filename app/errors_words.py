"""Domain exceptions about lists of texts, of which one cannot be embedded."""

from app.errors import WordNotFound


class UnknownText(WordNotFound):
    """No word of one of several texts is in the vocabulary; `position` counts from 0."""

    def __init__(
        self, position: int, text: str, vocabulary: str, suggestions: tuple[str, ...] = ()
    ) -> None:
        super().__init__(text, vocabulary, suggestions)
        self.args = (f"text {position} of input: {self}; remove it, or correct its spelling",)
        self.position = position
