"""Published weights into an ONNX graph: the graph has an input for every weight, by its name."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors import SafetensorError
from safetensors.numpy import load_file

from app.errors import ModelError
from app.inference.catalog.torch_file import State, read_torch_state

CROPS, EMBEDDINGS = "crops", "embeddings"


def read_state(path: Path) -> State:
    """The tensors of a `.safetensors`, `.pt` or `.pth` file. Raises ModelError."""
    if not path.is_file():
        raise ModelError(f"there is no file {path}")
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path.name} is not a safetensors file: {error}") from error
    if path.suffix in {".pt", ".pth"}:
        return read_torch_state(path)
    raise ModelError(f"{path.name}: weights come as .safetensors, .pt or .pth")


def fill(graph: Path, state: State) -> bytes:
    """The graph with its weights in place, serialised; what it does not ask for is left out.

    Raises ModelError for a weight that is missing, has another shape or is not finite.
    """
    model = onnx.load(graph)
    wanted = {value.name: value for value in model.graph.input if value.name != CROPS}
    missing = sorted(set(wanted) - set(state))
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(wanted)} weights are missing, the first is {missing[0]}"
        )
    for name, value in wanted.items():
        shape = tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        weight = np.ascontiguousarray(state[name], dtype=np.float32)
        if weight.shape != shape:
            raise ModelError(f"{name} has the shape {weight.shape}, the network wants {shape}")
        if not np.isfinite(weight).all():
            raise ModelError(f"{name} holds numbers that are not finite")
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
        model.graph.input.remove(value)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
