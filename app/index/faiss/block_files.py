"""Mapped files for full blocks of vectors, written by a thread of their own."""

import mmap
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.logs import get_logger
from app.private_files import create_folder
from app.vectors import Ids

_log = get_logger(__name__)

_MOST_BLOCKS = 4
"""Full blocks that wait in memory for the disk."""

_MOST_ROWS = 20_000
"""Changed rows that wait in memory for the disk."""

Stored = NDArray[np.floating]
"""Vectors as they are stored, shape (rows, dimension), float32 or float16."""

Row = NDArray[np.floating]


@dataclass(slots=True, eq=False)
class Block:
    """Rows in memory or in a mapped file, which may be read at any time."""

    vectors: Stored


@dataclass(frozen=True, slots=True)
class Place:
    """Where some of several rows are: `rows` is a mask of them, `offsets` are theirs in `block`."""

    block: Block
    rows: NDArray[np.bool_]
    offsets: Ids


class BlockFiles:
    """Moves full blocks to files, and changes rows of all blocks.

    Linux makes a thread that changes a mapped file wait for the disk now and then, for up to 0.2 s.
    A thread that enrolls has the lock of the index and would delay all searches, so another one
    writes. Until then changed rows are in memory, and `changed` returns them. The methods are
    called by one thread at a time, except for `changed` and `settle`.

    The files are unlinked, so they are deleted when the process ends, however it ends. On a full
    disk blocks stay in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index-files")
        self._room = threading.BoundedSemaphore(_MOST_BLOCKS)
        self._lock = threading.Lock()  # held while `_rows` changes
        self._rows: dict[int, tuple[int, Row]] = {}  # by slot: number of the change, and value
        self._changes = 0

    def store(self, block: Block) -> None:
        """Move a full block to a file. Waits while many blocks wait for the disk."""
        self._room.acquire()
        self._thread.submit(self._move, block)

    def put(self, slots: Ids, rows: Stored, places: Sequence[Place]) -> None:
        """Change rows at these places; `slots` identify them in `changed`.

        Waits while many rows wait for the disk.
        """
        self._changes += 1
        with self._lock:
            for slot, row in zip(slots.tolist(), rows, strict=True):
                self._rows[slot] = self._changes, row
            crowded = len(self._rows) > _MOST_ROWS
        self._thread.submit(self._put, slots, rows, places, self._changes)
        if crowded:
            self.settle()

    def clear(self, slots: Ids, places: Sequence[Place]) -> None:
        """Overwrite rows at these places with zeros; `slots` identify them in `changed`."""
        with self._lock:
            for slot in slots.tolist():
                self._rows.pop(slot, None)
        self._thread.submit(self._clear, places)

    def changed(self) -> dict[int, Row]:
        """The rows by slot that have changed and are not in their block yet.

        To be called before blocks are read: afterwards they have the row.
        """
        with self._lock:
            return {slot: row for slot, (_, row) in self._rows.items()}

    def settle(self) -> None:
        """Wait until all changes so far are in the blocks."""
        self._thread.submit(lambda: None).result()

    def _move(self, block: Block) -> None:
        try:
            block.vectors = self._mapped(block.vectors)
        except OSError as error:
            _log.warning(
                "vector_file_not_mapped", error=error.strerror, remedy="vectors are kept in memory"
            )
        finally:
            self._room.release()

    def _mapped(self, vectors: Stored) -> Stored:
        """A copy in a file, on the disk: changed pages that gather in memory delay all threads.

        The copy is written through the map. What is written to a file by system calls is cached in
        pages of up to some megabytes, of which Linux writes all again when one row changes.
        """
        create_folder(self._folder)
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
            # writing to a mapped file without space would kill the process
            os.posix_fallocate(file.fileno(), 0, vectors.nbytes)
            mapped = mmap.mmap(file.fileno(), vectors.nbytes)
            copy = np.frombuffer(mapped, dtype=vectors.dtype).reshape(vectors.shape)
            np.copyto(copy, vectors)
            os.fsync(file.fileno())
        if hasattr(mmap, "MADV_RANDOM"):  # a search reads single rows, and no megabytes around them
            mapped.madvise(mmap.MADV_RANDOM)
        return copy

    def _put(self, slots: Ids, rows: Stored, places: Sequence[Place], change: int) -> None:
        for place in places:
            place.block.vectors[place.offsets] = rows[place.rows]
        with self._lock:
            for slot in slots.tolist():
                if self._rows.get(slot, (0,))[0] == change:  # it has not changed again
                    del self._rows[slot]

    @staticmethod
    def _clear(places: Sequence[Place]) -> None:
        for place in places:
            shape = len(place.offsets), place.block.vectors.shape[1]
            place.block.vectors[place.offsets] = np.zeros(shape, dtype=place.block.vectors.dtype)
