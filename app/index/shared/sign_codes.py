"""512 bits a vector: on which sides of as many hyperplanes it lies.

The share of bits that differ is in the mean the angle between two vectors by pi (Charikar 2002).
The hyperplanes are those of whole rotations, which tell more than as many random ones (Ji et al.
2012, Super-Bit LSH) and spread what the dimensions of learned vectors tell unevenly.
"""

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix

BITS = 512

_SEED = 2012


class SignCodes:
    """The same hyperplanes for a dimension in every process: codes are kept in databases."""

    def __init__(self, dimension: int) -> None:
        turns = -(-BITS // dimension)
        # Raw bits: NumPy may change how it makes numbers of them from one version to the next.
        raw = np.random.PCG64(_SEED).random_raw(turns * dimension**2)
        drawn = ((raw >> np.uint64(11)) * 2.0**-53 - 0.5).reshape(turns, dimension, dimension)
        rotations = [_orthonormal(one) for one in drawn]
        self._normals = np.concatenate(rotations, axis=1)[:, :BITS].astype(np.float32)

    def __call__(self, vectors: Matrix) -> NDArray[np.uint8]:
        """Codes of shape (vectors, BITS / 8), from vectors of shape (vectors, dimension)."""
        return np.packbits(vectors @ self._normals > 0, axis=1)


def _orthonormal(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """Q of QR with a positive diagonal of R, which makes it the only one, whatever LAPACK does."""
    q, r = np.linalg.qr(matrix)
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)
