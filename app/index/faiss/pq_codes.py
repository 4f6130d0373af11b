"""Product-quantization codes, which select the candidates of a search.

Codes have 4 bits per sub-quantizer and are compared with SIMD shuffles (Andre et al. 2015, FAISS's
`IndexPQFastScan`). FAISS cannot delete or change a code there, so a code is marked as deleted
until all codes are rebuilt.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from app.crypto.stream import Readable, Writable
from app.vectors import Ids, Matrix

# (least dimension, dimensions per sub-quantizer), measured in ADR 8
_DIMENSIONS_PER_CODE = ((512, 8), (256, 4), (65, 2), (0, 1))
# Candidates (at least, per neighbor asked for) with one dimension per code, and with more
_FINE, _COARSE = (192, 16), (256, 80)
_GROWTH = 1.25  # of the arrays, whose copying delays requests
_CHUNK = 1 << 24  # bytes of codes that are read or written at a time
_NONE = -1
DELETED = -1
"""Slot of a code whose row was deleted or changed."""


class CodesHead(NamedTuple):
    """Sizes of stored codes: bytes of the quantizer, number of codes, and rows at training."""

    quantizer: int
    codes: int
    trained_rows: int


class PQCodes:
    """Codes by position, the slot of each position, and the position of each slot.

    One thread at a time may change the codes; others may search between changes, and write what
    `freeze` returned at any time.
    """

    def __init__(self, quantizer: NDArray[np.uint8], trained_rows: int) -> None:
        """`quantizer` is FAISS's serialization of a trained index without codes.

        Raises RuntimeError or ValueError if it is not.
        """
        self._quantizer, self.trained_rows = quantizer, trained_rows
        index = faiss.deserialize_index(quantizer)
        if not isinstance(index, faiss.IndexPQFastScan):
            raise ValueError("not an index of product-quantization codes")
        self._index = index
        self._slots: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._positions: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._moving = threading.Lock()  # held while FAISS may move the codes

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @classmethod
    def train(cls, sample: Matrix, rows: int) -> "PQCodes":
        """Codes for `rows` rows of which `sample` are some; without any code yet."""
        dimension = sample.shape[1]
        codes = _code_count(dimension)
        index = faiss.IndexPQFastScan(dimension, codes, 4, faiss.METRIC_INNER_PRODUCT)
        index.train(sample)
        return cls(faiss.serialize_index(index), rows)

    def add(self, slots: Ids, vectors: Matrix) -> None:
        """Encode rows and append their codes; the slots have no codes."""
        first, last = len(self), len(self) + len(slots)
        with self._moving:
            self._index.add(vectors)
        self._slots = _grown(self._slots, last)
        self._slots[first:last] = slots
        if len(slots):
            self._positions = _grown(self._positions, int(slots.max()) + 1)
            self._positions[slots] = np.arange(first, last)

    def mark_deleted(self, slots: Ids) -> None:
        """Exclude the codes of these slots from searches; slots without a code are ignored."""
        known = slots[slots < len(self._positions)]
        positions = self._positions[known]
        self._slots[positions[positions != _NONE]] = DELETED
        self._positions[known] = _NONE

    def candidates_for(self, k: int) -> int:
        """Number of candidates that almost always contain the `k` nearest rows (ADR 8)."""
        fine = int(self._index.pq.M) == int(self._index.d)  # every dimension has a code
        least, per_neighbor = _FINE if fine else _COARSE
        return max(least, per_neighbor * k)

    def candidates(self, probes: Matrix, count: int) -> list[Ids]:
        """For each probe the slots of the nearest rows by code.

        Fewer than `count` slots if some of the codes belong to deleted rows.
        """
        _, positions = self._index.search(probes, count)
        found = [self._slots[row[row >= 0]] for row in positions]
        return [slots[slots != DELETED].astype(np.int64) for slots in found]

    def freeze(self) -> tuple[CodesHead, Callable[[Writable], None]]:
        """The sizes of the codes as they are now, and a function that writes these codes.

        Codes that are marked as deleted before they are written may be so in what is written.
        """
        head = CodesHead(len(self._quantizer), len(self), self.trained_rows)
        slots = self._slots[: head.codes]
        complete = self._bytes(head.codes // self._block * self._block)  # these no longer change
        last_block = self._view(self._bytes(head.codes))[complete:].copy()

        def write(stream: Writable) -> None:
            stream.write(self._quantizer.data)
            write_copies(stream, slots)
            for start in range(0, complete, _CHUNK):
                with self._moving:
                    part = self._view(complete)[start : start + _CHUNK].copy()
                stream.write(part.data)
            stream.write(last_block.data)

        return head, write

    @classmethod
    def read(cls, stream: Readable, head: CodesHead) -> "PQCodes":
        """Read what `freeze` wrote. Raises ValueError for a truncated stream."""
        quantizer = np.frombuffer(read_exactly(stream, head.quantizer), np.uint8)
        codes = cls(quantizer, head.trained_rows)
        slots = np.frombuffer(read_exactly(stream, 4 * head.codes), np.int32)
        positions = np.flatnonzero(slots != DELETED)
        rows = int(slots.max()) + 1 if len(positions) else 0
        known = np.full(rows, _NONE, dtype=np.int32)
        known[slots[positions]] = positions
        # room for the next code, so that it need not wait for copies
        codes._slots, codes._positions = _grown(slots, len(slots) + 1), _grown(known, rows + 1)
        size = codes._bytes(head.codes)
        codes._index.codes.resize(size)
        for start in range(0, size, _CHUNK):
            part = read_exactly(stream, min(_CHUNK, size - start))
            codes._view(size)[start : start + len(part)] = np.frombuffer(part, np.uint8)
        codes._index.ntotal = head.codes
        codes._index.ntotal2 = codes._padded(head.codes)  # type: ignore[attr-defined]  # of FAISS
        return codes

    def _view(self, size: int) -> NDArray[np.uint8]:
        """The first `size` bytes of FAISS's codes, valid until codes are added."""
        found: NDArray[np.uint8] = faiss.rev_swig_ptr(self._index.codes.get(), size)
        return found

    def _bytes(self, codes: int) -> int:
        return self._padded(codes) * int(self._index.M2) // 2

    def _padded(self, codes: int) -> int:
        return (codes + self._block - 1) // self._block * self._block

    @property
    def _block(self) -> int:
        """FAISS stores this many codes together; the last block may be incomplete."""
        return int(self._index.bbs)


def write_copies(stream: Writable, array: NDArray[Any]) -> None:
    """Write an array that may change meanwhile: a stream may read what it is given twice, for a
    digest and for the file."""
    rows = max(1, _CHUNK // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        stream.write(array[start : start + rows].copy().data)


def read_exactly(stream: Readable, size: int) -> bytes:
    """The next `size` bytes. Raises ValueError if there are fewer."""
    found = stream.read(size)
    if len(found) != size:
        raise ValueError("truncated")
    return found


def _grown(array: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """`array` with room for `length` elements; new ones are _NONE."""
    if length <= len(array):
        return array
    grown = np.empty(max(length, int(_GROWTH * len(array))), dtype=np.int32)
    grown[: len(array)] = array
    grown[len(array) :] = _NONE
    return grown


def _code_count(dimension: int) -> int:
    """Sub-quantizers of a vector: one per 1, 2, 4 or 8 dimensions."""
    size = next(per_code for least, per_code in _DIMENSIONS_PER_CODE if dimension >= least)
    while dimension % size:
        size //= 2
    return dimension // size
