"""MTCNN's three networks as ONNX graphs, built from the weights of the pip package `mtcnn`.

The package (MIT) carries TensorFlow-ordered arrays; its own code, and TensorFlow, are not used.
Every network takes uint8 RGB pixels (n, height, width, 3); the scaling `(x - 127.5) / 128` is
part of the graph.
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from app.errors import ModelError

Array = NDArray[np.float32]
Stage = Literal["pnet", "rnet", "onet"]

_SHA256: dict[Stage, str] = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
_POOLS: dict[Stage, tuple[tuple[int, str] | None, ...]] = {
    "pnet": ((2, "SAME_UPPER"), None, None),
    "rnet": ((3, "SAME_UPPER"), (3, "VALID"), None),
    "onet": ((3, "SAME_UPPER"), (3, "VALID"), (2, "SAME_UPPER"), None),
}
_HEADS: dict[Stage, tuple[str, ...]] = {
    "pnet": ("offsets", "scores"),
    "rnet": ("offsets", "scores"),
    "onet": ("offsets", "landmarks", "scores"),
}


def build_stage(stage: Stage) -> bytes:
    """The serialised ONNX graph of one stage; outputs as named in the paper's three tasks."""
    graph: bytes = _Graph(stage, _read_weights(stage)).build().SerializeToString()
    return graph


def _read_weights(stage: Stage) -> list[Array]:
    """The arrays of one stage, once the file's digest is the pinned one (it is a pickle)."""
    package = importlib.util.find_spec("mtcnn")
    if package is None or not package.submodule_search_locations:
        raise ModelError("the pip package mtcnn 1.0.0 with the detector's weights is missing")
    path = Path(package.submodule_search_locations[0]) / "assets" / "weights" / f"{stage}.lz4"
    if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256[stage]:
        raise ModelError(f"{path.name} is not the file of mtcnn 1.0.0")
    return [np.asarray(array, dtype=np.float32) for array in joblib.load(path)]


class _Graph:
    """Appends layers one by one, taking their weights in order."""

    def __init__(self, stage: Stage, weights: list[Array]) -> None:
        self._stage: Stage = stage
        self._weights = iter(weights)
        self._nodes: list[NodeProto] = []
        self._tensors: list[TensorProto] = []

    def build(self) -> ModelProto:
        x = self._pixels()
        for pool in _POOLS[self._stage]:
            x = self._activate(self._convolve(x), (-1, 1, 1))
            if pool is not None:
                side, padding = pool
                x = self._add(
                    "MaxPool", [x], kernel_shape=[side] * 2, strides=[2, 2], auto_pad=padding
                )
        dense = self._stage != "pnet"
        if dense:  # flattened as width, height, channel: the order of the original Matlab code
            x = self._add("Flatten", [self._add("Transpose", [x], perm=[0, 3, 2, 1])])
            x = self._activate(self._multiply(x), (-1,))
        for head in _HEADS[self._stage]:
            out = self._multiply(x) if dense else self._convolve(x)
            if head == "scores":
                out = self._add("Softmax", [out], axis=1)
            self._add("Identity", [out], output=head)
        return self._model()

    def _pixels(self) -> str:
        real = self._add("Cast", ["image"], to=TensorProto.FLOAT)
        centred = self._add("Sub", [real, self._constant(np.float32(127.5))])
        scaled = self._add("Div", [centred, self._constant(np.float32(128.0))])
        return self._add("Transpose", [scaled], perm=[0, 3, 1, 2])

    def _convolve(self, x: str) -> str:
        kernel = next(self._weights).transpose(3, 2, 0, 1)  # HWIO -> OIHW
        return self._add("Conv", [x, self._constant(kernel), self._constant(next(self._weights))])

    def _multiply(self, x: str) -> str:
        weights, bias = next(self._weights), next(self._weights)
        return self._add("Gemm", [x, self._constant(weights), self._constant(bias)])

    def _activate(self, x: str, shape: tuple[int, ...]) -> str:
        slope = next(self._weights).reshape(shape)
        return self._add("PRelu", [x, self._constant(slope)])

    def _constant(self, value: Array | np.float32) -> str:
        name = f"w{len(self._tensors)}"
        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        self._tensors.append(numpy_helper.from_array(array, name))
        return name

    def _add(self, op: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        output = output or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def _model(self) -> ModelProto:
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])
        heads = [
            helper.make_tensor_value_info(head, TensorProto.FLOAT, None)
            for head in _HEADS[self._stage]
        ]
        graph = helper.make_graph(self._nodes, self._stage, [image], heads, self._tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
