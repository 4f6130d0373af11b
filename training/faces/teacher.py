"""The teacher, which judges faces while training runs, so that it must be fast.

OpenVINO runs the small teacher on a CPU in bf16 some seven times as fast as ONNX Runtime in
fp32 (training/LOG.md); where it is missing, ONNX Runtime does the same work.
"""

from pathlib import Path
from typing import Any

import numpy as np

from app.faces.embed import OnnxEmbedder
from app.inference.manifest import read_manifest, read_verified
from app.inference.session import OnnxSession, Pixels, Tensor, choose_providers


class OpenVinoSession:
    """One network in bf16 where the processor has it, one thread; not for several threads."""

    def __init__(self, model: bytes) -> None:
        import openvino as ov  # noqa: PLC0415 - an extra; optional here
        from openvino import properties  # noqa: PLC0415 - the same

        self._core = ov.Core()
        self._model = self._core.read_model(model, b"")
        capable = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._settings = {
            properties.inference_num_threads(): 1,
            properties.hint.inference_precision(): ov.Type.bf16 if capable else ov.Type.f32,
        }
        self._compiled: dict[tuple[int, ...], Any] = {}

    @property
    def providers(self) -> tuple[str, ...]:
        """Who computes."""
        return ("OpenVINO",)

    def run(self, batch: Tensor | Pixels) -> list[Tensor]:
        """Run one batch; every output in order. A new batch shape is compiled at first use."""
        shape = batch.shape
        if shape not in self._compiled:
            self._model.reshape(list(shape))
            self._compiled[shape] = self._core.compile_model(self._model, "CPU", self._settings)
        answer = self._compiled[shape](batch)
        return [np.array(value) for value in answer.values()]


def load_teacher(folder: Path, weights: Path | None, fast: bool = False) -> OnnxEmbedder:
    """A model by its manifest, its ONNX file being in `weights` where that is another folder.

    `fast` asks for OpenVINO; its answers differ by bf16's rounding (cosine 0.999).
    """
    manifest = read_manifest(folder)
    content = read_verified((weights or folder) / manifest.file, manifest.sha256)
    if fast:
        try:
            return OnnxEmbedder(manifest, OpenVinoSession(content))
        except ImportError:
            pass
    return OnnxEmbedder(manifest, OnnxSession(content, choose_providers("auto")))
