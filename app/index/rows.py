"""Vectors of an index in memory: they grow without being copied, and go without leaving a hole."""

import numpy as np
from numpy.typing import NDArray

from app.vectors import Ids, Matrix, Vector

_BLOCK = 1 << 15


class RowBlocks:
    """Rows in blocks of a fixed size, so that a million of them grow without a second copy."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._blocks: list[Matrix] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, vectors: Matrix) -> None:
        """Add rows at the end."""
        done = 0
        while done < len(vectors):
            place = self._count % _BLOCK
            if place == 0:
                self._blocks.append(np.empty((_BLOCK, self._dimension), dtype=np.float32))
            taken = vectors[done : done + _BLOCK - place]
            self._blocks[-1][place : place + len(taken)] = taken
            self._count += len(taken)
            done += len(taken)

    def take(self, numbers: Ids) -> Matrix:
        """Some rows, in the order of `numbers`."""
        found = np.empty((len(numbers), self._dimension), dtype=np.float32)
        block, place = numbers // _BLOCK, numbers % _BLOCK
        for one in np.unique(block):
            here = block == one
            found[here] = self._blocks[one][place[here]]
        return found

    def erase(self, numbers: Ids) -> None:
        """Overwrite some rows with zeros: what is deleted is not kept in memory or snapshots."""
        block, place = numbers // _BLOCK, numbers % _BLOCK
        for one in np.unique(block):
            self._blocks[one][place[block == one]] = 0.0

    def dots(self, probe: Vector) -> NDArray[np.float32]:
        """The dot product of every row with `probe`, shape (rows,)."""
        parts = [block[: self._used(number)] @ probe for number, block in enumerate(self._blocks)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)

    def blocks(self) -> list[Matrix]:
        """All rows, as views of the blocks."""
        return [block[: self._used(number)] for number, block in enumerate(self._blocks)]

    def _used(self, number: int) -> int:
        return min(_BLOCK, self._count - number * _BLOCK)
