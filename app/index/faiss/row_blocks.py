"""Vectors of an index in blocks that grow without copying, in memory or in mapped files."""

import contextlib
import mmap
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from app.logs import get_logger
from app.private_files import create_folder
from app.vectors import Ids, Matrix, Vector

_log = get_logger(__name__)

_BLOCK_BYTES = 1 << 26
_CONVERTED = 4_096  # rows of half precision that are converted at a time

Stored = NDArray[np.floating]
"""Vectors as they are stored, shape (rows, dimension), float32 or float16."""


@dataclass(frozen=True, slots=True)
class Block:
    """Room for vectors with undefined values, and what has to be done once, when it is full."""

    vectors: Stored
    when_full: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Storage:
    """Where and in which precision vectors are stored.

    `allocate(rows, dimension)` returns a block of `dtype`.
    """

    dtype: np.dtype[np.floating]
    allocate: Callable[[int, int], Block]


def _in_memory(rows: int, dimension: int, dtype: np.dtype[np.floating]) -> Block:
    """Anonymous memory, which the system commits page by page as it is written."""
    return Block(np.empty((rows, dimension), dtype=dtype), lambda: None)


def _allocate_in_memory(rows: int, dimension: int) -> Block:
    return _in_memory(rows, dimension, IN_MEMORY.dtype)


IN_MEMORY = Storage(np.dtype(np.float32), _allocate_in_memory)
"""Single precision in memory."""


def in_files(folder: Path) -> Storage:
    """Half precision in mapped files in `folder`; the system caches the pages that are read often.

    Half precision changes a similarity by 1e-4 at most. The files are unlinked, so they are
    deleted when the process ends, however it ends. On a full disk memory is allocated instead:
    writing to a mapped file without space kills the process.

    A thread writes a full file to the disk. Otherwise changed pages gather in memory, and above a
    limit Linux makes each thread wait, for up to 0.2 s, that changes one more.
    """
    dtype = np.dtype(np.float16)

    def allocate(rows: int, dimension: int) -> Block:
        size = rows * dimension * dtype.itemsize
        try:
            create_folder(folder)
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # open until it is full
            os.posix_fallocate(file.fileno(), 0, size)
            mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            _log.warning(
                "vector_file_not_mapped", error=error.strerror, remedy="vectors are kept in memory"
            )
            return _in_memory(rows, dimension, dtype)
        vectors = np.frombuffer(mapped, dtype=dtype).reshape(rows, dimension)
        return Block(vectors, lambda: _write_in_background(file))

    return Storage(dtype, allocate)


def _write_in_background(file: IO[bytes]) -> None:
    """Write the changes of a mapped file to the disk, and close it; the map stays."""

    def write() -> None:
        with file, contextlib.suppress(OSError):  # the database has the vectors
            os.fsync(file.fileno())

    threading.Thread(target=write, daemon=True).start()


class RowBlocks:
    """Rows in blocks of a fixed size, so that a million of them grow without a second copy.

    A row is addressed by its slot, counted from 0. Blocks are never moved: a thread may read rows
    while another one appends and overwrites others.
    """

    def __init__(self, dimension: int, storage: Storage = IN_MEMORY) -> None:
        self._dimension, self._storage = dimension, storage
        self._rows_per_block = max(1, _BLOCK_BYTES // (storage.dtype.itemsize * dimension))
        self._blocks: list[Block] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The precision in which rows are stored."""
        return self._storage.dtype

    def append(self, vectors: Stored) -> None:
        """Add rows at the end."""
        done = 0
        while done < len(vectors):
            offset = self._count % self._rows_per_block
            if offset == 0:
                self._blocks.append(self._storage.allocate(self._rows_per_block, self._dimension))
            part = vectors[done : done + self._rows_per_block - offset]
            self._blocks[-1].vectors[offset : offset + len(part)] = part
            self._count += len(part)
            done += len(part)
            if self._count % self._rows_per_block == 0:
                self._blocks[-1].when_full()

    def put(self, slots: Ids, vectors: Matrix) -> None:
        """Overwrite existing rows."""
        blocks, offsets = slots // self._rows_per_block, slots % self._rows_per_block
        for block in np.unique(blocks):
            inside = blocks == block
            self._blocks[block].vectors[offsets[inside]] = vectors[inside]

    def take(self, slots: Ids) -> Matrix:
        """Copies of the rows in `slots`, shape (len(slots), dimension)."""
        found = np.empty((len(slots), self._dimension), dtype=np.float32)
        blocks, offsets = slots // self._rows_per_block, slots % self._rows_per_block
        for block in np.unique(blocks):
            inside = blocks == block
            found[inside] = self._blocks[block].vectors.take(offsets[inside], axis=0)
        return found

    def purge(self, slots: Ids) -> None:
        """Overwrite rows with zeros, so that deleted vectors are not in memory or snapshots."""
        self.put(slots, np.zeros((len(slots), self._dimension), dtype=np.float32))

    def dots(self, probe: Vector) -> NDArray[np.float32]:
        """The dot product of every row with `probe`, shape (rows,)."""
        parts = [
            rows[start : start + _CONVERTED].astype(np.float32, copy=False) @ probe
            for rows in self.blocks(self._count)
            for start in range(0, len(rows), _CONVERTED)
        ]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)

    def blocks(self, count: int) -> list[Stored]:
        """The first `count` rows, as views of the blocks."""
        size = self._rows_per_block
        return [
            block.vectors[: count - number * size]
            for number, block in enumerate(self._blocks)
            if count > number * size
        ]
