"""Vectors of an index in blocks that grow without copying, in memory or in mapped files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.index.faiss.block_files import Block, BlockFiles, Place, Stored
from app.vectors import Ids, Matrix, Vector

_BLOCK_BYTES = 1 << 26
_CONVERTED = 4_096  # rows of half precision that are converted at a time


@dataclass(frozen=True, slots=True)
class Storage:
    """In which precision vectors are stored, and in blocks of how many bytes.

    `folder` is where full blocks have their files; None: all blocks are in memory.
    """

    dtype: np.dtype[np.floating]
    folder: Path | None = None
    block_bytes: int = _BLOCK_BYTES


IN_MEMORY = Storage(np.dtype(np.float32))
"""Single precision in memory."""


def in_files(folder: Path, block_bytes: int = _BLOCK_BYTES) -> Storage:
    """Half precision in mapped files in `folder`; the system caches the pages that are read often.

    Half precision changes a similarity by 1e-4 at most. The last block is in memory until it is
    full.
    """
    return Storage(np.dtype(np.float16), folder, block_bytes)


class RowBlocks:
    """Rows in blocks of a fixed size, so that a million of them grow without a second copy.

    A row is addressed by its slot, counted from 0. A thread may read rows while another one appends
    and overwrites others.
    """

    def __init__(self, dimension: int, storage: Storage = IN_MEMORY) -> None:
        self._dimension, self._dtype = dimension, storage.dtype
        self._files = None if storage.folder is None else BlockFiles(storage.folder)
        self._rows_per_block = max(1, storage.block_bytes // (storage.dtype.itemsize * dimension))
        self._blocks: list[Block] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The precision in which rows are stored."""
        return self._dtype

    def append(self, vectors: Stored) -> None:
        """Add rows at the end."""
        done = 0
        while done < len(vectors):
            offset = self._count % self._rows_per_block
            if offset == 0:
                # the system commits this memory page by page as it is written
                shape = (self._rows_per_block, self._dimension)
                self._blocks.append(Block(np.empty(shape, dtype=self._dtype)))
            part = vectors[done : done + self._rows_per_block - offset]
            self._blocks[-1].vectors[offset : offset + len(part)] = part
            self._count += len(part)
            done += len(part)
            if self._count % self._rows_per_block == 0 and self._files is not None:
                self._files.store(self._blocks[-1])

    def put(self, slots: Ids, vectors: Matrix) -> None:
        """Overwrite existing rows."""
        stored, places = vectors.astype(self._dtype), self._places(slots)
        if self._files is None:
            for place in places:
                place.block.vectors[place.offsets] = stored[place.rows]
        elif len(slots):
            self._files.put(slots, stored, places)

    def purge(self, slots: Ids) -> None:
        """Overwrite rows with zeros, so that deleted vectors are not in memory or snapshots."""
        if self._files is None:
            for place in self._places(slots):
                place.block.vectors[place.offsets] = 0
        elif len(slots):
            self._files.clear(slots, self._places(slots))

    def settle(self) -> None:
        """Wait until rows that were changed are in the blocks."""
        if self._files is not None:
            self._files.settle()

    def take(self, slots: Ids) -> Matrix:
        """Copies of the rows in `slots`, shape (len(slots), dimension)."""
        changed = self._changed()
        found = np.empty((len(slots), self._dimension), dtype=np.float32)
        for place in self._places(slots):
            found[place.rows] = place.block.vectors.take(place.offsets, axis=0)
        for row, slot in enumerate(slots.tolist()) if changed else ():
            if slot in changed:
                found[row] = changed[slot]
        return found

    def dots(self, probe: Vector) -> NDArray[np.float32]:
        """The dot product of every row with `probe`, shape (rows,)."""
        count, changed = self._count, self._changed()
        parts = [
            rows[start : start + _CONVERTED].astype(np.float32, copy=False) @ probe
            for rows in self.blocks(count)
            for start in range(0, len(rows), _CONVERTED)
        ]
        found = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
        for slot, row in changed.items():
            found[slot] = row.astype(np.float32) @ probe
        return found

    def blocks(self, count: int) -> Iterator[Stored]:
        """The first `count` rows, as views; without changes for which `settle` would wait."""
        size = self._rows_per_block
        for number, block in enumerate(self._blocks[: -(-count // size)]):
            block.announce()
            yield block.vectors[: count - number * size]

    def _changed(self) -> dict[int, NDArray[np.floating]]:
        return {} if self._files is None else self._files.changed()

    def _places(self, slots: Ids) -> list[Place]:
        numbers, offsets = np.divmod(slots, self._rows_per_block)
        masks = ((self._blocks[number], numbers == number) for number in np.unique(numbers))
        return [Place(block, mask, offsets[mask]) for block, mask in masks]
