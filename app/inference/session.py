"""ONNX Runtime, opened once from verified bytes, warmed up, safe to call from many threads."""

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from app.errors import ModelError

Tensor = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def choose_providers(wanted: str) -> list[str]:
    """`auto` is CUDA where there is a driver and a build for it, else the CPU.

    `cpu` and `cuda` insist; `cuda` raises ModelError where it cannot be had.
    """
    if wanted == "cpu":
        return [_CPU]
    usable = _CUDA in ort.get_available_providers() and _has_cuda_driver()
    if wanted == "cuda" and not usable:
        raise ModelError("CUDA was asked for, but there is no driver or no build for it here")
    if usable:
        ort.preload_dlls()  # CUDA and cuDNN from pip packages, where they are installed
    return [_CUDA, _CPU] if usable else [_CPU]


class Session(Protocol):
    """Anything that runs one network on one batch."""

    @property
    def providers(self) -> tuple[str, ...]: ...

    def run(self, batch: Tensor | Pixels) -> list[Tensor]: ...


class OnnxSession:
    """One network. `run` may be called from several threads at once.

    `batch` is the batch size that the network is fixed to, None where any size is allowed.
    One intra-op thread a run: on a few cores, concurrent runs beat threads within a run.
    """

    def __init__(self, model: bytes | Path, providers: Sequence[str], intra_op_threads: int = 1):
        options = ort.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # a provider that falls back is reported by `providers`
        source = str(model) if isinstance(model, Path) else model
        try:
            self._session = ort.InferenceSession(source, options, providers=list(providers))
        except Exception as error:  # the runtime's own exceptions share no public base class
            raise ModelError(f"ONNX Runtime refuses the model: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ModelError(f"expected one input, the network has {len(inputs)}")
        self._input = inputs[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]
        size = inputs[0].shape[0]
        self.batch: int | None = size if isinstance(size, int) else None

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, best first."""
        return tuple(self._session.get_providers())

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in the order in which `run` returns them."""
        return tuple(self._outputs)

    def run(self, batch: Tensor | Pixels) -> list[Tensor]:
        """Run one batch, shape and type as the network wants it; every output in order."""
        return list(self._session.run(self._outputs, {self._input: batch}))


def _has_cuda_driver() -> bool:
    """Asked of the system's loader: ONNX Runtime would log a page of errors instead."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
