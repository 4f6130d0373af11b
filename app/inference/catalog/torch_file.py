"""PyTorch's `.pt` files read into NumPy, without torch and without running what they contain.

A `.pt` file is a pickle beside raw numbers, in a zip archive (torch >= 1.6) or one after the
other (older files, as facenet-pytorch's are). Only the names that a state dict needs are let
through; any other is refused.
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

State = dict[str, NDArray[np.generic]]
_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER
_LEGACY_PROTOCOL = 1001


@dataclass(frozen=True, slots=True)
class _Storage:
    """A run of numbers that tensors are cut from."""

    key: str
    dtype: np.dtype[np.generic]
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Which part of a storage a tensor is; the numbers may follow later in the file."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_torch_state(path: Path) -> State:
    """The tensors of a state dict. Raises ModelError for anything that is not one."""
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        with path.open("rb") as stream:
            return _read_legacy(stream)
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path.name} is not a PyTorch state dict: {error}") from error
    except (AttributeError, IndexError, zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error


def _read_zip(path: Path) -> State:
    with zipfile.ZipFile(path) as archive:
        index = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if index is None:
            raise pickle.UnpicklingError("the archive has no data.pkl")
        folder = index.removesuffix("data.pkl")
        tensors = _tensors(_StateUnpickler(io.BytesIO(archive.read(index))).load())

        def numbers(storage: _Storage) -> bytes:
            return archive.read(f"{folder}data/{storage.key}")

        return _fill(tensors, numbers)


def _read_legacy(stream: IO[bytes]) -> State:
    if _StateUnpickler(stream).load() != _MAGIC:
        raise pickle.UnpicklingError("the magic number is missing")
    if _StateUnpickler(stream).load() != _LEGACY_PROTOCOL:
        raise pickle.UnpicklingError("an unknown version of the format")
    _StateUnpickler(stream).load()  # about the machine that wrote it
    tensors = _tensors(_StateUnpickler(stream).load())
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    raw: dict[str, bytes] = {}
    for key in _StateUnpickler(stream).load():
        storage = storages[key]
        if int.from_bytes(stream.read(8), "little") != storage.count:
            raise ValueError(f"storage {key} is cut short")
        raw[key] = stream.read(storage.count * storage.dtype.itemsize)
    return _fill(tensors, lambda storage: raw[storage.key])


def _tensors(found: object) -> dict[str, _Tensor]:
    if not isinstance(found, Mapping):
        raise pickle.UnpicklingError("it holds no dictionary of tensors")
    return {str(name): value for name, value in found.items() if isinstance(value, _Tensor)}


def _fill(tensors: dict[str, _Tensor], numbers: Callable[[_Storage], bytes]) -> State:
    state: State = {}
    for name, tensor in tensors.items():
        array = np.frombuffer(numbers(tensor.storage), dtype=tensor.storage.dtype)
        if len(array) != tensor.storage.count:
            raise ValueError(f"{name} is cut short")
        size = int(np.prod(tensor.shape, dtype=np.int64))
        if tensor.offset + size > len(array) or tensor.stride != _row_major(tensor.shape):
            raise ValueError(f"{name} lies in memory in a way that is not read here")
        state[name] = array[tensor.offset : tensor.offset + size].reshape(tensor.shape)
    return state


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape)))


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(stride))


class _StateUnpickler(pickle.Unpickler):
    """Builds dictionaries, numbers and `_Tensor`; refuses every other class or function."""

    _DTYPES: ClassVar[dict[str, np.dtype[np.generic]]] = {
        "FloatStorage": np.dtype(np.float32),
        "DoubleStorage": np.dtype(np.float64),
        "HalfStorage": np.dtype(np.float16),
        "LongStorage": np.dtype(np.int64),
    }

    def find_class(self, module: str, name: str) -> object:
        """Called for every name in the pickle."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in self._DTYPES:
            return self._DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a state dict")

    def persistent_load(self, pid: tuple[object, ...]) -> _Storage:
        """Called for every storage: ("storage", type, key, device, numbers)."""
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(count, int):
            raise pickle.UnpicklingError(f"an unknown reference {kind}")
        return _Storage(str(key), dtype, count)
