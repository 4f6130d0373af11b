"""Vectors as the database keeps them: float32, little endian."""

from collections.abc import Sequence

import numpy as np

from app.vectors import Matrix, Vector

_STORED = np.dtype("<f4")


def to_bytes(vector: Vector) -> bytes:
    """One vector, shape (dimension,), as bytes."""
    return np.ascontiguousarray(vector, dtype=_STORED).tobytes()


def to_matrix(stored: Sequence[bytes], dimension: int) -> Matrix:
    """Rows from bytes, shape (len(stored), dimension)."""
    flat = np.frombuffer(b"".join(stored), dtype=_STORED)
    return flat.reshape(len(stored), dimension).astype(np.float32, copy=False)
