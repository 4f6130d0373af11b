"""Vectors of an index: they grow without being copied, and places of the deleted are used again."""

import mmap
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.logs import get_logger
from app.vectors import Ids, Matrix, Vector

_log = get_logger(__name__)

_BLOCK_BYTES = 1 << 26

Allocate = Callable[[int, int], Matrix]
"""Room for so many rows of so many numbers, float32, zeros or not."""


def in_memory(rows: int, dimension: int) -> Matrix:
    """Ordinary memory, which the system gives out page by page as it is written."""
    return np.empty((rows, dimension), dtype=np.float32)


def in_files(folder: Path) -> Allocate:
    """Room in files of `folder`, of which the system keeps in memory what is read often.

    They have no name, so nothing is left of them after the process, however it ends. On a full
    disk memory is used: a mapped file without room behind it would kill the process.
    """

    def allocate(rows: int, dimension: int) -> Matrix:
        size = rows * dimension * 4
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                os.posix_fallocate(file.fileno(), 0, size)
                mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            _log.warning("vector_file_not_mapped", error=error.strerror)
            return in_memory(rows, dimension)
        return np.frombuffer(mapped, dtype=np.float32).reshape(rows, dimension)

    return allocate


class RowBlocks:
    """Rows in blocks of a fixed size, so that a million of them grow without a second copy.

    A row is named by its place, from 0 on.
    """

    def __init__(self, dimension: int, allocate: Allocate = in_memory) -> None:
        self._dimension, self._allocate = dimension, allocate
        self._in_block = max(1, _BLOCK_BYTES // (4 * dimension))
        self._blocks: list[Matrix] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, vectors: Matrix) -> None:
        """Add rows at the end."""
        done = 0
        while done < len(vectors):
            place = self._count % self._in_block
            if place == 0:
                self._blocks.append(self._allocate(self._in_block, self._dimension))
            taken = vectors[done : done + self._in_block - place]
            self._blocks[-1][place : place + len(taken)] = taken
            self._count += len(taken)
            done += len(taken)

    def put(self, places: Ids, vectors: Matrix) -> None:
        """Overwrite rows that are there."""
        block, place = places // self._in_block, places % self._in_block
        for one in np.unique(block):
            here = block == one
            self._blocks[one][place[here]] = vectors[here]

    def take(self, places: Ids) -> Matrix:
        """Some rows, in the order of `places`."""
        if len(self._blocks) == 1:
            return self._blocks[0].take(places, axis=0)
        found = np.empty((len(places), self._dimension), dtype=np.float32)
        block, place = places // self._in_block, places % self._in_block
        for number, rows in enumerate(self._blocks):
            here = np.flatnonzero(block == number)
            if len(here):
                found[here] = rows.take(place[here], axis=0)
        return found

    def erase(self, places: Ids) -> None:
        """Overwrite some rows with zeros: what is deleted is not kept in memory or snapshots."""
        self.put(places, np.zeros((len(places), self._dimension), dtype=np.float32))

    def dots(self, probe: Vector) -> NDArray[np.float32]:
        """The dot product of every row with `probe`, shape (rows,)."""
        parts = [rows @ probe for rows in self.blocks()]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)

    def blocks(self) -> list[Matrix]:
        """All rows, as views of the blocks."""
        size = self._in_block
        return [rows[: self._count - at * size] for at, rows in enumerate(self._blocks)]
