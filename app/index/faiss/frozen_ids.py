"""Ids by slot as they were at one time, read by one thread while another one changes them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.vectors import Ids

_CHUNK = 1 << 20


class FrozenIds:
    """A view of ids that undoes later changes in what it returns.

    Copying ten million ids at once would delay all requests. Whoever changes ids calls
    `before_change` first, so that each change that a copy contains can be undone.
    """

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self._ids = ids
        self._former: list[tuple[Ids, NDArray[np.int64]]] = []  # slots and their ids, by time
        self._is_read = False

    def before_change(self, slots: Ids) -> None:
        """Keep the present ids of these slots."""
        if self._is_read:
            return
        inside = slots[slots < len(self._ids)]
        self._former.append((inside, self._ids[inside]))

    def chunks(self) -> Iterator[NDArray[np.int64]]:
        """The ids at the time of the constructor, in parts; can be read once."""
        for start in range(0, len(self._ids), _CHUNK):
            part = self._ids[start : start + _CHUNK].copy()
            # the oldest of several changes of one slot last
            for slots, ids in reversed(self._former.copy()):
                inside = (slots >= start) & (slots < start + len(part))
                part[slots[inside] - start] = ids[inside]
            yield part
        self._is_read = True
        self._former.clear()
