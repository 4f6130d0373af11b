"""The pixels of many crops, of which subsets share the memory."""

from collections.abc import Sequence
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from app.faces.pipeline.types import Image

Pixels: TypeAlias = NDArray[np.uint8]
"""Images of one size, shape (n, size, size, 3)."""


class Images(Sequence[Image]):
    """Images of one size, shape (size, size, 3) uint8 each, in the order of `rows`."""

    def __init__(self, pixels: Pixels, rows: NDArray[np.int64] | None = None) -> None:
        """`rows` are indices into `pixels`; by default all of them in order."""
        self._pixels = pixels
        self._rows = np.arange(len(pixels)) if rows is None else rows

    @property
    def size(self) -> int:
        """Pixels per side."""
        return int(self._pixels.shape[1])

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Images":
        """The images in `rows`, a mask or indices, without copying pixels."""
        return Images(self._pixels, self._rows[rows])

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> Image: ...
    @overload
    def __getitem__(self, at: slice) -> "Images": ...
    def __getitem__(self, at: int | slice) -> "Image | Images":
        if isinstance(at, slice):
            return Images(self._pixels, self._rows[at])
        return np.asarray(self._pixels[self._rows[at]])
