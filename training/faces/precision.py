"""Chooses which parts of an Inception-ResNet stay in fp32 when the rest is quantized to int8."""

import onnx

# The first convolutions, up to the one after the first pool. A pool next to a quantized layer runs
# on uint8, 70 times slower than between fp32 layers.
_FIRST_CONVOLUTIONS = 4
# The sums of residual blocks, and what follows the last block.
_FP32_TYPES = {"Add", "ReduceMean", "Reshape", "Gemm", "ReduceL2", "Clip", "Expand", "Div"}


def fp32_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that cause much of the error in int8, and take little of the time.

    These are the stem up to its pool, the sums of the residual blocks, the convolutions that follow
    the last pool in the file (the blocks of the coarsest grid and most of the reduction before
    them), and the pooling and projection at the end.
    """
    nodes = list(model.graph.node)
    pools = [place for place, node in enumerate(nodes) if node.op_type == "MaxPool"]
    convolutions = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    kept = {*convolutions[:_FIRST_CONVOLUTIONS], *pools[:1]}
    kept |= {place for place in convolutions if pools and place > pools[-1]}
    kept |= {place for place, node in enumerate(nodes) if node.op_type in _FP32_TYPES}
    return [nodes[place].name for place in sorted(kept)]


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
