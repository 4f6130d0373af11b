"""Reads PyTorch's `.pt` state dicts into NumPy without torch and without executing code.

A `.pt` file is a pickle and raw tensor data: members of a zip archive (torch >= 1.6), or
concatenated (older files such as facenet-pytorch's). The unpickler resolves only the names that a
state dict needs and rejects all others.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError

StateDict = dict[str, NDArray[np.generic]]
_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER
_LEGACY_PROTOCOL = 1001


@dataclass(frozen=True, slots=True)
class _Storage:
    """A flat buffer of `count` values that tensors are views of."""

    key: str
    dtype: np.dtype[np.generic]
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage, whose values may follow later in the file."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_torch_file(path: Path) -> StateDict:
    """Returns the tensors of a state dict by name. Raises ModelError for any other file."""
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        with path.open("rb") as stream:
            return _read_legacy(stream)
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path.name} is not a PyTorch state dict: {error}") from error
    except (AttributeError, IndexError, zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error


def _read_zip(path: Path) -> StateDict:
    with zipfile.ZipFile(path) as archive:
        index = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if index is None:
            raise pickle.UnpicklingError("the archive has no data.pkl")
        folder = index.removesuffix("data.pkl")
        tensors = _tensors(_StateUnpickler(io.BytesIO(archive.read(index))).load())

        def read_values(storage: _Storage) -> bytes:
            return archive.read(f"{folder}data/{storage.key}")

        return _fill(tensors, read_values)


def _read_legacy(stream: IO[bytes]) -> StateDict:
    if _StateUnpickler(stream).load() != _MAGIC:
        raise pickle.UnpicklingError("the magic number is missing")
    if _StateUnpickler(stream).load() != _LEGACY_PROTOCOL:
        raise pickle.UnpicklingError("the format version is not 1001")
    _StateUnpickler(stream).load()  # properties of the machine that wrote the file
    tensors = _tensors(_StateUnpickler(stream).load())
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    raw: dict[str, bytes] = {}
    for key in _StateUnpickler(stream).load():
        storage = storages[key]
        if int.from_bytes(stream.read(8), "little") != storage.count:
            raise ValueError(f"storage {key} is truncated")
        raw[key] = stream.read(storage.count * storage.dtype.itemsize)
    return _fill(tensors, lambda storage: raw[storage.key])


def _tensors(found: object) -> dict[str, _Tensor]:
    if not isinstance(found, Mapping):
        raise pickle.UnpicklingError("it does not contain a dictionary of tensors")
    return {str(name): value for name, value in found.items() if isinstance(value, _Tensor)}


def _fill(tensors: dict[str, _Tensor], read_values: Callable[[_Storage], bytes]) -> StateDict:
    state: StateDict = {}
    for name, tensor in tensors.items():
        array = np.frombuffer(read_values(tensor.storage), dtype=tensor.storage.dtype)
        if len(array) != tensor.storage.count:
            raise ValueError(f"{name} is truncated")
        size = int(np.prod(tensor.shape, dtype=np.int64))
        if tensor.offset + size > len(array) or tensor.stride != _row_major(tensor.shape):
            raise ValueError(f"{name} is not contiguous in row-major order")
        state[name] = array[tensor.offset : tensor.offset + size].reshape(tensor.shape)
    return state


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape)))


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(stride))


class _StateUnpickler(pickle.Unpickler):
    """Builds dictionaries, numbers and `_Tensor`; rejects every other class or function."""

    _DTYPES: ClassVar[dict[str, np.dtype[np.generic]]] = {
        "FloatStorage": np.dtype(np.float32),
        "DoubleStorage": np.dtype(np.float64),
        "HalfStorage": np.dtype(np.float16),
        "LongStorage": np.dtype(np.int64),
    }

    def find_class(self, module: str, name: str) -> object:
        """Resolves a global name of the pickle. Raises UnpicklingError if it is not allowed."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in self._DTYPES:
            return self._DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a state dict")

    def persistent_load(self, pid: tuple[object, ...]) -> _Storage:
        """Resolves a storage reference: ("storage", type, key, device, number of values)."""
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(count, int):
            raise pickle.UnpicklingError(f"unknown reference {kind}")
        return _Storage(str(key), dtype, count)
