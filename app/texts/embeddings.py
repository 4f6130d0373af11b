"""Embeds texts with a vocabulary or the sentence encoder, chosen by model name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.errors import InvalidRequest, VocabularyNotFound
from app.texts.encoder import ENCODER, is_installed
from app.texts.space import TextSpaces
from app.words.text_vectors import TextVector
from app.words.vocabularies import VocabularyService


@dataclass(frozen=True, slots=True)
class TextModel:
    """What `TextEmbedder.embed` can embed texts with; `created_at` is None for the encoder."""

    name: str
    created_at: datetime | None


class TextEmbedder:
    """The service for text embeddings."""

    def __init__(self, vocabularies: VocabularyService, spaces: TextSpaces) -> None:
        self._vocabularies, self._spaces = vocabularies, spaces

    def embed(
        self, texts: Sequence[str], model: str, dimension: int | None = None
    ) -> Sequence[TextVector]:
        """One unit vector per text, in order. `model` names a vocabulary or the sentence encoder.

        In a vocabulary, a text that is not itself a word is the mean of its words. Raises
        VocabularyNotFound, WordNotFound for a text without a known word, and InvalidRequest for a
        text without letters and digits or a `dimension` other than that of the model.
        """
        encode = model == ENCODER
        found = self._encode(texts) if encode else self._vocabularies.embed_texts(texts, model)
        actual = len(found[0].vector)
        if dimension not in (None, actual):
            raise InvalidRequest("dimensions", f"dimensions is {dimension}; {model} has {actual}")
        return found

    def models(self) -> list[TextModel]:
        """The vocabularies, ordered by name, and the sentence encoder if it is installed."""
        found = [TextModel(v.name, v.created_at) for v in self._vocabularies.list_all()]
        return [*found, TextModel(ENCODER, None)] if is_installed() else found

    def model(self, name: str) -> TextModel:
        """The model of this name. Raises VocabularyNotFound."""
        for model in self.models():
            if model.name == name:
                return model
        raise VocabularyNotFound(f"there is no model named {name!r}; GET /v1/models lists them")

    def _encode(self, texts: Sequence[str]) -> Sequence[TextVector]:
        encoded = self._spaces.open(ENCODER).texts(texts)
        empty = next((n for n, tokens in enumerate(encoded) if not len(tokens.tokens)), None)
        if empty is not None:
            raise InvalidRequest("input", f"text {empty} of input has no letters or digits")
        return [TextVector(tokens.mean(), tokens.tokens, ()) for tokens in encoded]
