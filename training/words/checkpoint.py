"""Atomic checkpoints of a run, and the check that a checkpoint belongs to the run."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from training.words.config import WordConfig
from training.words.contexts import Ids

_NOT_IDENTITY = {"threads", "save_every"}


def identity(config: WordConfig, ids: Ids, words: int) -> str:
    """Everything that must be equal for a run to resume from a checkpoint, as text."""
    return f"{config.model_dump_json(exclude=_NOT_IDENTITY)} {len(ids)} {words}"


def require_identity(stored: str, expected: str, file: Path) -> None:
    """Raises ValueError if a checkpoint belongs to another run."""
    if stored != expected:
        raise ValueError(f"{file} is from a run with other settings or data; use an empty folder")


class Saver:
    """Writes `file` atomically; a save is due when `seconds` have passed since the last one."""

    def __init__(self, file: Path, seconds: float) -> None:
        self._file, self._seconds = file, seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether `seconds` have passed since the last save."""
        return time.monotonic() - self._last >= self._seconds

    def save(self, write: Callable[[Path], object]) -> None:
        """Call `write` with a temporary path in the same folder, then replace the file by it."""
        temporary = self._file.with_name(f"new-{self._file.name}")
        write(temporary)
        os.replace(temporary, self._file)
        self._last = time.monotonic()
