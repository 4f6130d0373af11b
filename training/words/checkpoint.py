"""What a run keeps so that it can go on, and how it knows that it is the same run."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from training.words.config import WordConfig
from training.words.contexts import Ids

_NOT_IDENTITY = {"threads", "save_every"}


def identity(config: WordConfig, ids: Ids, words: int) -> str:
    """What must be equal for a run to go on from a checkpoint."""
    return f"{config.model_dump_json(exclude=_NOT_IDENTITY)} {len(ids)} {words}"


def require_identity(kept: str, wanted: str, file: Path) -> None:
    """Raises ValueError where a checkpoint is of another run."""
    if kept != wanted:
        raise ValueError(f"{file} is of another run: start with an empty folder")


class Saver:
    """Saves when `seconds` have passed since the last time; a kill costs no more than that."""

    def __init__(self, file: Path, seconds: float) -> None:
        self._file, self._seconds = file, seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() - self._last >= self._seconds

    def save(self, write: Callable[[Path], object]) -> None:
        """Have a file written beside the old one, then swap."""
        fresh = self._file.with_name(f"new-{self._file.name}")
        write(fresh)
        os.replace(fresh, self._file)
        self._last = time.monotonic()
