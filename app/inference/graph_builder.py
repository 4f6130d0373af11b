"""Builds ONNX graphs in memory, one node at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

_OPSET, _IR_VERSION = 17, 9


class GraphBuilder:
    """Collects the nodes and constants of one graph; tensors are referred to by name."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def constant(self, value: ArrayLike) -> str:
        """Adds a constant and returns its name."""
        name = f"c{len(self._constants)}"
        array = np.asarray(value, order="C")
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(
        self, operator: str, inputs: Sequence[str], output: str = "", **attributes: object
    ) -> str:
        """Adds a node with one output and returns its name; an empty `output` is generated."""
        output = output or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def serialize(
        self, name: str, inputs: Sequence[ValueInfoProto], outputs: Sequence[str]
    ) -> bytes:
        """Returns the serialized model, opset 17; the outputs are float32 of any shape."""
        results = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
        graph = helper.make_graph(self._nodes, name, inputs, results, self._constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
        content: bytes = model.SerializeToString()
        return content
