"""Vectors of an index in blocks that grow without copying, in memory or in mapped files."""

import mmap
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.logs import get_logger
from app.private_files import create_folder
from app.vectors import Ids, Matrix, Vector

_log = get_logger(__name__)

_BLOCK_BYTES = 1 << 26

Allocate = Callable[[int, int], Matrix]
"""Allocates a float32 matrix of shape (rows, dimension); the values are undefined."""


def in_memory(rows: int, dimension: int) -> Matrix:
    """Anonymous memory, which the system commits page by page as it is written."""
    return np.empty((rows, dimension), dtype=np.float32)


def in_files(folder: Path) -> Allocate:
    """Allocates in mapped files in `folder`; the system caches the pages that are read often.

    The files are unlinked, so they are deleted when the process ends, however it ends. On a full
    disk memory is allocated instead: writing to a mapped file without space kills the process.
    """

    def allocate(rows: int, dimension: int) -> Matrix:
        size = rows * dimension * 4
        try:
            create_folder(folder)
            with tempfile.TemporaryFile(dir=folder) as file:
                os.posix_fallocate(file.fileno(), 0, size)
                mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            _log.warning(
                "vector_file_not_mapped", error=error.strerror, remedy="vectors are kept in memory"
            )
            return in_memory(rows, dimension)
        return np.frombuffer(mapped, dtype=np.float32).reshape(rows, dimension)

    return allocate


class RowBlocks:
    """Rows in blocks of a fixed size, so that a million of them grow without a second copy.

    A row is addressed by its slot, counted from 0.
    """

    def __init__(self, dimension: int, allocate: Allocate = in_memory) -> None:
        self._dimension, self._allocate = dimension, allocate
        self._rows_per_block = max(1, _BLOCK_BYTES // (4 * dimension))
        self._blocks: list[Matrix] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, vectors: Matrix) -> None:
        """Add rows at the end."""
        done = 0
        while done < len(vectors):
            offset = self._count % self._rows_per_block
            if offset == 0:
                self._blocks.append(self._allocate(self._rows_per_block, self._dimension))
            part = vectors[done : done + self._rows_per_block - offset]
            self._blocks[-1][offset : offset + len(part)] = part
            self._count += len(part)
            done += len(part)

    def put(self, slots: Ids, vectors: Matrix) -> None:
        """Overwrite existing rows."""
        blocks, offsets = slots // self._rows_per_block, slots % self._rows_per_block
        for block in np.unique(blocks):
            inside = blocks == block
            self._blocks[block][offsets[inside]] = vectors[inside]

    def take(self, slots: Ids) -> Matrix:
        """Copies of the rows in `slots`, shape (len(slots), dimension)."""
        if len(self._blocks) == 1:
            return self._blocks[0].take(slots, axis=0)
        found = np.empty((len(slots), self._dimension), dtype=np.float32)
        blocks, offsets = slots // self._rows_per_block, slots % self._rows_per_block
        for block, rows in enumerate(self._blocks):
            inside = np.flatnonzero(blocks == block)
            if len(inside):
                found[inside] = rows.take(offsets[inside], axis=0)
        return found

    def purge(self, slots: Ids) -> None:
        """Overwrite rows with zeros, so that deleted vectors are not in memory or snapshots."""
        self.put(slots, np.zeros((len(slots), self._dimension), dtype=np.float32))

    def dots(self, probe: Vector) -> NDArray[np.float32]:
        """The dot product of every row with `probe`, shape (rows,)."""
        parts = [rows @ probe for rows in self.blocks()]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)

    def blocks(self) -> list[Matrix]:
        """All rows, as views of the blocks."""
        size = self._rows_per_block
        return [rows[: self._count - i * size] for i, rows in enumerate(self._blocks)]
