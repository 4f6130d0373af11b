"""Quantizes an exported model: int8 for CPUs with VNNI, fp16 for GPUs."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from app.faces.pipeline.embed import OnnxEmbedder
from app.inference.manifest import write_manifest
from app.inference.session import Tensor
from training.faces.crops import CropSet, held_out
from training.faces.half_storage import store_half
from training.faces.precision import fp32_nodes, keep_residual_sums
from training.faces.publish import calibrate_into
from training.faces.sources import read_crops
from training.faces.targets import crop_for
from training.faces.teacher import load_teacher

_CALIBRATION_CROPS = 512
_BATCH = 16


def run_quantize(model: Path, data: Path, kind: Literal["int8", "fp16"], out: Path) -> None:
    """Write a variant of `model` with its own manifest and calibration table to `out`.

    The activation ranges of int8 are measured on crops that are not held out.
    """
    embedder = load_teacher(model, None)
    manifest = embedder.manifest
    crops = read_crops(data)
    out.mkdir(parents=True, exist_ok=True)
    target = out / manifest.file
    if kind == "fp16":
        half = convert_float_to_float16(onnx.load(model / manifest.file), keep_io_types=True)
        onnx.save(half, target)
    else:
        _quantize(model / manifest.file, target, _Crops(embedder, crops))
    variant = manifest.model_copy(
        update={
            "name": f"{manifest.name}-{kind}",
            "title": f"{manifest.title}, {kind}",
            "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
            "calibration": None,
            "normalisation": None,  # fitted to the variant below
            "accuracy": (),
        }
    )
    write_manifest(out, variant)
    calibrate_into(out, crops)
    shown = crops.take(np.flatnonzero(held_out(crops))[:_CALIBRATION_CROPS])
    images = [crop_for(embedder, shown, row) for row in range(len(shown))]
    agreement = (load_teacher(out, None).embed(images) * embedder.embed(images)).sum(axis=1)
    print(f"cosine to fp32 on held-out crops: {agreement.mean():.5f}, lowest {agreement.min():.5f}")
    print(f"{target.stat().st_size:,} bytes")


def _quantize(source: Path, target: Path, crops: "_Crops") -> None:
    """Static QDQ quantization per channel, activations U8 and weights S8, as VNNI requires."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            crops,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=fp32_nodes(onnx.load(prepared)),
            calibrate_method=CalibrationMethod.MinMax,
        )
    model = onnx.load(target)
    keep_residual_sums(model)
    store_half(model)
    onnx.save(model, target)


class _Crops(CalibrationDataReader):
    """Batches of evenly spread crops that are not held out, preprocessed as in serving."""

    def __init__(self, embedder: OnnxEmbedder, crops: CropSet) -> None:
        rows = np.flatnonzero(~held_out(crops))
        rows = rows[np.linspace(0, len(rows) - 1, _CALIBRATION_CROPS).astype(int)]
        self._batches = self._read(embedder, crops, rows)

    def get_next(self) -> dict[str, Tensor] | None:
        """The next batch by input name, or None at the end."""
        return next(self._batches, None)

    @staticmethod
    def _read(
        embedder: OnnxEmbedder, crops: CropSet, rows: np.ndarray
    ) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(rows), _BATCH):
            images = [crop_for(embedder, crops, row) for row in rows[start : start + _BATCH]]
            yield {"crops": embedder.tensor(images)}
