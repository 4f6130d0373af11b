"""Sign codes: 512 bits per vector, one for the side of each of 512 hyperplanes.

The expected share of bits that differ is the angle between two vectors divided by pi (Charikar
2002). The hyperplanes are the columns of random rotations: orthogonal hyperplanes estimate angles
with less variance than independent ones (Ji et al. 2012, Super-Bit LSH), and rotations distribute
the unequal variance of the dimensions of learned embeddings.
"""

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix

BITS = 512

_SEED = 2012


class SignCodes:
    """Encodes vectors of one dimension; the hyperplanes are the same in every process, since
    codes are stored in databases."""

    def __init__(self, dimension: int) -> None:
        rotations = -(-BITS // dimension)
        # Raw bits: NumPy's distributions may change from one version to the next.
        raw = np.random.PCG64(_SEED).random_raw(rotations * dimension**2)
        uniform = ((raw >> np.uint64(11)) * 2.0**-53 - 0.5).reshape(-1, dimension, dimension)
        normals = np.concatenate([_orthonormal(one) for one in uniform], axis=1)
        self._normals = normals[:, :BITS].astype(np.float32)

    def __call__(self, vectors: Matrix) -> NDArray[np.uint8]:
        """Codes of shape (vectors, BITS / 8), from vectors of shape (vectors, dimension)."""
        return np.packbits(vectors @ self._normals > 0, axis=1)


def _orthonormal(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """Q of the QR decomposition with a positive diagonal of R, which is unique for any LAPACK."""
    q, r = np.linalg.qr(matrix)
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)
