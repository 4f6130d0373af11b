"""Opens text spaces by name."""

import threading

from app.errors import ModelError, VocabularyNotFound
from app.store.db.database import Database
from app.texts.encoder import ENCODER, SentenceEncoder, packaged_encoder
from app.texts.sentence_space import SentenceSpace
from app.texts.sif import SifSpaces
from app.texts.space import TextSpace


class TextSpaceRegistry:
    """Opens vocabularies by name, and the sentence encoder where it is installed."""

    def __init__(self, database: Database) -> None:
        self._vocabularies = SifSpaces(database)
        self._encoder: SentenceSpace | None = None
        self._guard = threading.Lock()

    def open(self, name: str) -> TextSpace:
        """Raises VocabularyNotFound. The encoder is loaded when it is first asked for."""
        if name != ENCODER:
            return self._vocabularies.open(name)
        with self._guard:
            if self._encoder is None:
                try:
                    self._encoder = SentenceSpace(SentenceEncoder(packaged_encoder()))
                except ModelError as error:
                    raise VocabularyNotFound(str(error)) from error
            return self._encoder
