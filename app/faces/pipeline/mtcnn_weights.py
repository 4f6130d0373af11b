"""Reads the weights of MTCNN's three networks from the pip package `mtcnn`.

The package (MIT) contains arrays in TensorFlow's axis order; neither its code nor TensorFlow is
used. Its files are pickles, compressed with LZ4, and are not unpickled: the values of every array
are copied from their place in the file, whose digest is verified first.
"""

import hashlib
import importlib.util
import math
from pathlib import Path
from typing import Literal

import lz4.frame
import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError

Array = NDArray[np.float32]
Stage = Literal["pnet", "rnet", "onet"]

_SHA256: dict[Stage, str] = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
_ARRAYS: dict[Stage, tuple[tuple[int, tuple[int, ...]], ...]] = {
    "pnet": (
        *((240, (3, 3, 3, 10)), (1376, (10,)), (1472, (1, 1, 10))),
        *((1568, (3, 3, 10, 16)), (7376, (16,)), (7504, (1, 1, 16))),
        *((7632, (3, 3, 16, 32)), (26112, (32,)), (26304, (1, 1, 32))),
        *((26496, (1, 1, 32, 4)), (27056, (4,)), (27136, (1, 1, 32, 2)), (27440, (2,))),
    ),
    "rnet": (
        *((240, (3, 3, 3, 28)), (3312, (28,)), (3488, (1, 1, 28))),
        *((3664, (3, 3, 28, 48)), (52096, (48,)), (52352, (1, 1, 48))),
        *((52608, (2, 2, 48, 64)), (101808, (64,)), (102128, (1, 1, 64))),
        *((102448, (576, 128)), (397408, (128,)), (397968, (128,))),
        *((398528, (128, 4)), (400624, (4,)), (400688, (128, 2)), (401760, (2,))),
    ),
    "onet": (
        *((240, (3, 3, 3, 32)), (3744, (32,)), (3936, (1, 1, 32))),
        *((4128, (3, 3, 32, 64)), (77904, (64,)), (78224, (1, 1, 64))),
        *((78544, (3, 3, 64, 64)), (226048, (64,)), (226368, (1, 1, 64))),
        *((226688, (2, 2, 64, 128)), (357808, (128,)), (358384, (1, 1, 128))),
        *((358960, (1152, 256)), (1538656, (256,)), (1539728, (256,))),
        *((1540816, (256, 4)), (1544960, (4,)), (1545040, (256, 10)), (1555328, (10,))),
        *((1555424, (256, 2)), (1557520, (2,))),
    ),
}
"""(offset in bytes in the decompressed file, shape) of every array, float32 in row-major order: for
each layer the kernel, the bias and, before a PReLU, its slopes; then the heads."""


def read_weights(stage: Stage) -> list[Array]:
    """Copies the arrays of a stage from the package's file, in the order of its layers.

    Raises ModelError if the package is missing or its weights are not those of mtcnn 1.0.0.
    """
    package = importlib.util.find_spec("mtcnn")
    if package is None or not package.submodule_search_locations:
        raise ModelError("the pip package mtcnn is not installed; install mtcnn==1.0.0")
    path = Path(package.submodule_search_locations[0]) / "assets" / "weights" / f"{stage}.lz4"
    try:
        compressed = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} is not readable: {error.strerror}") from error
    if hashlib.sha256(compressed).hexdigest() != _SHA256[stage]:
        raise ModelError(f"{path} is not the file of mtcnn 1.0.0; reinstall mtcnn==1.0.0")
    content = lz4.frame.decompress(compressed)
    return [_array(content, offset, shape) for offset, shape in _ARRAYS[stage]]


def _array(content: bytes, offset: int, shape: tuple[int, ...]) -> Array:
    values = np.frombuffer(content, "<f4", count=math.prod(shape), offset=offset)
    return values.astype(np.float32).reshape(shape)
