"""The registry of text spaces: vocabularies, and the sentence encoder if installed."""

import threading

from app.errors import ModelError, VocabularyNotFound
from app.store.db.database import Database
from app.texts.encoder import ENCODER, SentenceEncoder, packaged_encoder
from app.texts.sentence_space import SentenceSpace
from app.texts.sif import SifSpaces
from app.texts.space import TextSpace


class TextSpaceRegistry:
    """Opens text spaces by name. Safe to call from many threads."""

    def __init__(self, database: Database) -> None:
        self._vocabularies = SifSpaces(database)
        self._encoder: SentenceSpace | None = None
        self._lock = threading.Lock()

    def open(self, name: str) -> TextSpace:
        """Raises VocabularyNotFound. The encoder is loaded on its first use."""
        if name != ENCODER:
            return self._vocabularies.open(name)
        with self._lock:
            if self._encoder is None:
                try:
                    self._encoder = SentenceSpace(SentenceEncoder(packaged_encoder()))
                except ModelError as error:
                    raise VocabularyNotFound(str(error)) from error
            return self._encoder
