"""Mapped files for full blocks of vectors, written by a thread of their own."""

import mmap
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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

_MANY_ELEMENTS = 1_000

Stored = NDArray[np.floating]
"""Vectors as they are stored, shape (rows, dimension), float32 or float16."""

Row = NDArray[np.floating]


@dataclass(slots=True, eq=False)
class Block:
    """Rows in memory or in a mapped `file`, which may be read at any time."""

    vectors: Stored
    file: IO[bytes] | None = None
    mapped: mmap.mmap | None = None

    def announce(self) -> None:
        """Tell the system that all rows will be read, so that it reads ahead."""
        if self.mapped is not None and hasattr(mmap, "MADV_WILLNEED"):
            self.mapped.madvise(mmap.MADV_WILLNEED)

    def write(self, offsets: Ids, rows: Stored) -> None:
        """Change rows, without the interpreter lock while the system waits for the disk.

        NumPy keeps the lock for less than 500 elements. System calls do not, but asking for it
        after each of many rows takes longer. Raises OSError.
        """
        if self.file is None or rows.size >= _MANY_ELEMENTS:
            self.vectors[offsets] = rows
            return
        for offset, row in zip(offsets.tolist(), rows, strict=True):
            os.pwrite(self.file.fileno(), row.data, offset * row.nbytes)


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
            file, mapped = self._copied(block.vectors)
        except OSError as error:
            _log.warning(
                "vector_file_not_mapped", error=error.strerror, remedy="vectors are kept in memory"
            )
        else:
            flat = np.frombuffer(mapped, dtype=block.vectors.dtype)
            block.vectors = flat.reshape(block.vectors.shape)
            block.file, block.mapped = file, mapped
        finally:
            self._room.release()

    def _copied(self, vectors: Stored) -> tuple[IO[bytes], mmap.mmap]:
        """A file with a copy, on the disk: changed pages that gather in memory delay all threads.

        The copy is written through the map. What is written to a file by system calls is cached in
        pages of up to some megabytes, of which Linux writes all again when one row changes.
        """
        create_folder(self._folder)
        file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  # stays open
        try:
            # writing to a mapped file without space would kill the process
            os.posix_fallocate(file.fileno(), 0, vectors.nbytes)
            mapped = mmap.mmap(file.fileno(), vectors.nbytes)
            np.copyto(np.frombuffer(mapped, dtype=vectors.dtype), vectors.reshape(-1))
            os.fsync(file.fileno())
            if hasattr(mmap, "MADV_RANDOM"):  # a search reads single rows, no megabytes around them
                mapped.madvise(mmap.MADV_RANDOM)
        except OSError:
            file.close()
            raise
        return file, mapped

    def _put(self, slots: Ids, rows: Stored, places: Sequence[Place], change: int) -> None:
        if not self._write([(place, rows[place.rows]) for place in places]):
            return  # the rows stay in memory
        with self._lock:
            for slot in slots.tolist():
                if self._rows.get(slot, (0,))[0] == change:  # it has not changed again
                    del self._rows[slot]

    def _clear(self, places: Sequence[Place]) -> None:
        width = places[0].block.vectors.shape[1]
        dtype = places[0].block.vectors.dtype
        self._write([(place, np.zeros((len(place.offsets), width), dtype)) for place in places])

    @staticmethod
    def _write(changes: Sequence[tuple[Place, Stored]]) -> bool:
        """Whether all rows were written; an error is logged."""
        try:
            for place, rows in changes:
                place.block.write(place.offsets, rows)
        except OSError as error:
            _log.error("vectors_not_written", error=error.strerror, remedy="check the disk")
            return False
        return True
