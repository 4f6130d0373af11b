"""Runs one ONNX model in ONNX Runtime and selects the execution providers."""

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
Tokens = NDArray[np.int64]

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def choose_providers(wanted: str) -> list[str]:
    """Returns the execution providers for `auto`, `cpu` or `cuda`, best first.

    `auto` uses CUDA if this build of ONNX Runtime supports it and a driver is present.
    Raises ModelError if `cuda` is requested and not available.
    """
    if wanted == "cpu":
        return [_CPU]
    usable = _CUDA in ort.get_available_providers() and _has_cuda_driver()
    if wanted == "cuda" and not usable:
        raise ModelError(
            "CUDA is not available: install the NVIDIA driver and `sima[gpu]`, or set "
            "SIMA_PROVIDERS=auto"
        )
    if usable:
        ort.preload_dlls()  # loads CUDA and cuDNN from pip packages if they are installed
    return [_CUDA, _CPU] if usable else [_CPU]


class Session(Protocol):
    """Runs one network on one batch."""

    @property
    def providers(self) -> tuple[str, ...]: ...

    def run(self, batch: Tensor | Pixels) -> list[Tensor]: ...


class OnnxSession:
    """An ONNX model with one input. Thread-safe.

    `batch` is the network's fixed batch size, or None if any size is allowed. The default is one
    thread per run: on a few cores, concurrent runs have a higher throughput than parallel ones.
    Raises ModelError if ONNX Runtime cannot load the model.
    """

    def __init__(self, model: bytes | Path, providers: Sequence[str], intra_op_threads: int = 1):
        options = ort.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # a fallback to another provider is visible in `providers`
        source = str(model) if isinstance(model, Path) else model
        try:
            self._session = ort.InferenceSession(source, options, providers=list(providers))
        except Exception as error:  # ONNX Runtime's exceptions have no public base class
            raise ModelError(f"ONNX Runtime cannot load the model: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ModelError(f"the model has {len(inputs)} inputs; exactly one is supported")
        self._input = inputs[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]
        size = inputs[0].shape[0]
        self.batch: int | None = size if isinstance(size, int) else None

    @property
    def providers(self) -> tuple[str, ...]:
        """Execution providers in use, best first."""
        return tuple(self._session.get_providers())

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs in the order that `run` returns them."""
        return tuple(self._outputs)

    def run(self, batch: Tensor | Pixels | Tokens) -> list[Tensor]:
        """Returns all outputs for one batch; its shape and dtype must fit the model's input."""
        return list(self._session.run(self._outputs, {self._input: batch}))


def _has_cuda_driver() -> bool:
    """Tests whether the driver library loads; ONNX Runtime would log pages of errors instead."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
