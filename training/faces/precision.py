"""Chooses which parts of an Inception-ResNet stay in fp32 when the rest is quantized to int8."""

from collections.abc import Sequence

import onnx

# The first convolutions, up to the one after the first pool. A pool next to a quantized layer runs
# on uint8, 70 times slower than between fp32 layers.
_FIRST_CONVOLUTIONS = 4
# The sums of residual blocks, and what follows the last block.
_FP32_TYPES = {"Add", "ReduceMean", "Reshape", "Gemm", "ReduceL2", "Clip", "Expand", "Div"}


def fp32_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that cause much of the error in int8, and take little of the time.

    These are the stem up to its pool, the sums of the residual blocks, the convolutions that the
    blocks of the coarsest grid add to their input, and everything after the last block: the means
    over the grids, which one `Concat` joins, and the projection.
    """
    nodes = list(model.graph.node)
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    kept = [*convolutions[:_FIRST_CONVOLUTIONS], *_first(nodes, "MaxPool")]
    kept += [node for node in nodes if node.op_type in _FP32_TYPES]
    kept += _inputs(_added_on_the_coarsest_grid(nodes), nodes, "Conv")
    kept += _inputs(_first(nodes, "Gemm"), nodes, "Concat")
    names = {node.name for node in kept}
    return [node.name for node in nodes if node.name in names]


def _first(nodes: Sequence[onnx.NodeProto], kind: str) -> list[onnx.NodeProto]:
    return [node for node in nodes if node.op_type == kind][:1]


def _inputs(
    consumers: Sequence[onnx.NodeProto], nodes: Sequence[onnx.NodeProto], kind: str
) -> list[onnx.NodeProto]:
    """The nodes of this kind whose output is an input of one of the consumers."""
    names = {name for node in consumers for name in node.input}
    return [node for node in nodes if node.op_type == kind and names.intersection(node.output)]


def _added_on_the_coarsest_grid(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The sums with the most max pools on the way from the input; a graph lists inputs first."""
    pools: dict[str, int] = {}
    for node in nodes:
        before = max((pools.get(name, 0) for name in node.input), default=0)
        pools.update(dict.fromkeys(node.output, before + (node.op_type == "MaxPool")))
    sums = [node for node in nodes if node.op_type == "Add"]
    coarsest = max((pools[node.output[0]] for node in sums), default=0)
    return [node for node in sums if pools[node.output[0]] == coarsest]


def keep_residual_sums(model: onnx.ModelProto) -> None:
    """Let every sum of the quantized `model` take its fp32 inputs before they are rounded.

    ONNX Runtime's quantizer gives the 8-bit values of a tensor to all of its consumers, so that
    the sum that runs through the residual blocks would be rounded once in each of them. Outputs of
    convolutions stay in 8 bits: ONNX Runtime computes them so.
    """
    producer = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type != "Add":
            continue
        for place, name in enumerate(node.input):
            rounded = _before_rounding(name, producer)
            if rounded is not None:
                node.input[place] = rounded


def _before_rounding(name: str, producer: dict[str, onnx.NodeProto]) -> str | None:
    """The fp32 tensor that `name` is the 8-bit version of, unless a convolution computes it."""
    dequantize = producer.get(name)
    if dequantize is None or dequantize.op_type != "DequantizeLinear":
        return None
    quantize = producer.get(dequantize.input[0])
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    source = producer.get(quantize.input[0])
    return None if source is None or source.op_type == "Conv" else quantize.input[0]
