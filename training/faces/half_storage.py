"""Stores large weights of an ONNX model in half precision; it computes in single precision.

The file takes half the space. ONNX Runtime converts the weights once, when it loads the model.
"""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

_SUFFIX = ".half"
_LEAST_ELEMENTS = 1_024


@torch.no_grad()
def round_weights(network: nn.Module) -> None:
    """Round each weight tensor that `store_half` would store in half precision."""
    for weight in network.parameters():
        if weight.numel() >= _LEAST_ELEMENTS:
            weight.copy_(weight.half())


def store_half(model: onnx.ModelProto) -> None:
    """Store float32 weights of at least 1,024 elements as float16, each with a Cast node.

    Weights that half precision does not hold exactly stay as they are: see `round_weights`.
    """
    graph = model.graph
    casts = []
    for weight in list(graph.initializer):
        stored = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or stored.size < _LEAST_ELEMENTS:
            continue
        rounded = stored.astype("float16")
        if not np.array_equal(rounded, stored):
            continue
        half = numpy_helper.from_array(rounded, weight.name + _SUFFIX)
        casts.append(
            helper.make_node(
                "Cast", [half.name], [weight.name], f"cast.{weight.name}", to=TensorProto.FLOAT
            )
        )
        graph.initializer.remove(weight)
        graph.initializer.append(half)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def stored_weights(graph: onnx.GraphProto) -> dict[str, torch.Tensor]:
    """The weights by name, those in half precision as float32."""
    return {
        weight.name.removesuffix(_SUFFIX): torch.from_numpy(
            numpy_helper.to_array(weight).copy()
        ).float()
        for weight in graph.initializer
        if weight.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
    }
