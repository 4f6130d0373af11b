"""Converts vectors to and from the bytes of a column: float32, little endian."""

from collections.abc import Sequence

import numpy as np

from app.vectors import Matrix, Vector

_STORED = np.dtype("<f4")


def to_bytes(vector: Vector) -> bytes:
    """The bytes of one vector of shape (dimension,)."""
    return np.ascontiguousarray(vector, dtype=_STORED).tobytes()


def to_matrix(stored: Sequence[bytes], dimension: int) -> Matrix:
    """The vectors of several columns, shape (len(stored), dimension), float32."""
    flat = np.frombuffer(b"".join(stored), dtype=_STORED)
    return flat.reshape(len(stored), dimension).astype(np.float32, copy=False)
