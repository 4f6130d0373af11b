"""Fills an ONNX graph that has one named input per weight with published weights."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors import SafetensorError
from safetensors.numpy import load_file

from app.errors import ModelError
from app.inference.catalog.torch_file import StateDict, read_torch_file

CROPS, EMBEDDINGS = "crops", "embeddings"
"""Names of the graph's only input that is not a weight, and of its output."""


def read_weights(path: Path) -> StateDict:
    """Reads a `.safetensors`, `.pt` or `.pth` file. Raises ModelError."""
    if not path.is_file():
        raise ModelError(f"{path} does not exist")
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path.name} is not a safetensors file: {error}") from error
    if path.suffix in {".pt", ".pth"}:
        return read_torch_file(path)
    raise ModelError(f"{path.name} has an unsupported format; use .safetensors, .pt or .pth")


def fill_graph(graph: Path, weights: StateDict) -> bytes:
    """Returns the serialized graph with its weights as constants; ignores additional weights.

    Raises ModelError if a weight is missing, has another shape or is not finite.
    """
    model = onnx.load(graph)
    expected = {value.name: value for value in model.graph.input if value.name != CROPS}
    missing = sorted(set(expected) - set(weights))
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(expected)} weights are missing, the first is {missing[0]}; "
            "the file belongs to another network"
        )
    for name, value in expected.items():
        shape = tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        weight = np.ascontiguousarray(weights[name], dtype=np.float32)
        if weight.shape != shape:
            raise ModelError(f"weight {name} has shape {weight.shape}, expected {shape}")
        if not np.isfinite(weight).all():
            raise ModelError(f"weight {name} contains NaN or infinity; the file is corrupt")
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
        model.graph.input.remove(value)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
