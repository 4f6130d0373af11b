"""Which parts of a quantized network stay in fp32."""

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

from onnx import TensorProto, helper, numpy_helper

from tests.models import SHIPPED, TRAINED
from training.faces.half_storage import store_half
from training.faces.precision import fp32_nodes, keep_residual_sums


def test_residual_sums_of_the_shipped_network_are_not_rounded() -> None:
    """A sum that is rounded to 8 bits in each of 37 blocks causes nearly half of the error."""
    graph = onnx.load(SHIPPED / "model.onnx").graph
    producer = {output: node.op_type for node in graph.node for output in node.output}
    sums = [node for node in graph.node if node.op_type == "Add"]
    rounded = [
        node.name
        for node in sums
        if all(producer[name] == "DequantizeLinear" for name in node.input)
    ]
    assert len(sums) > 30
    assert len(rounded) <= 2, "only a sum that begins with the output of a convolution"
    projection = next(node for node in graph.node if node.op_type == "Gemm")
    assert producer.get(projection.input[1]) != "DequantizeLinear"


def test_nearly_all_convolutions_of_the_shipped_network_are_in_int8() -> None:
    """In fp32 are four of the stem, and the six that are added to the sum of the coarsest grid."""
    graph = onnx.load(SHIPPED / "model.onnx").graph
    producer = {output: node for node in graph.node for output in node.output}
    types = {weight.name: weight.data_type for weight in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    weights = [producer.get(node.input[1]) for node in convolutions]
    quantized = [w for w in weights if w is not None and types[w.input[0]] == TensorProto.INT8]
    assert len(convolutions) - len(quantized) == 4 + 6


def test_the_shipped_network_is_smaller_than_in_half_precision() -> None:
    size, half = ((folder / "model.onnx").stat().st_size for folder in (SHIPPED, TRAINED))
    assert size < 0.7 * half


def test_a_sum_takes_the_tensor_and_not_its_rounded_copy() -> None:
    def node(kind: str, *inputs: str, output: str) -> onnx.NodeProto:
        return helper.make_node(kind, list(inputs), [output], name=output)

    nodes = [
        node("Relu", "x", output="stream"),
        node("QuantizeLinear", "stream", "scale", "zero", output="stream.q"),
        node("DequantizeLinear", "stream.q", "scale", "zero", output="stream.d"),
        node("Conv", "stream.d", "weight", output="branch"),
        node("QuantizeLinear", "branch", "scale", "zero", output="branch.q"),
        node("DequantizeLinear", "branch.q", "scale", "zero", output="branch.d"),
        node("Add", "stream.d", "branch.d", output="sum"),
    ]
    model = helper.make_model(helper.make_graph(nodes, "block", [], []))
    keep_residual_sums(model)
    assert list(model.graph.node[-1].input) == ["stream", "branch.d"]
    assert list(model.graph.node[3].input) == ["stream.d", "weight"], "convolutions stay in int8"


def test_stem_sums_last_additions_and_projection_stay_in_fp32() -> None:
    def node(kind: str, output: str, *inputs: str) -> onnx.NodeProto:
        return helper.make_node(kind, list(inputs), [output], name=output)

    nodes = [
        *(node("Conv", "stem1", "image"), node("Conv", "stem2", "stem1")),
        *(node("Conv", "stem3", "stem2"), node("MaxPool", "pool1", "stem3")),
        *(node("Conv", "stem4", "pool1"), node("Conv", "branch1", "stem4")),
        *(node("Add", "sum1", "stem4", "branch1"), node("MaxPool", "pool2", "sum1")),
        *(node("Conv", "branch2", "pool2"), node("Conv", "added2", "branch2")),
        *(node("Add", "sum2", "pool2", "added2"), node("ReduceMean", "mean", "sum2")),
        *(node("Concat", "means", "mean", "sum1"), node("Gemm", "embedding", "means")),
    ]
    model = helper.make_model(helper.make_graph(nodes, "network", [], []))
    assert fp32_nodes(model) == [
        *("stem1", "stem2", "stem3", "pool1", "stem4", "sum1"),
        *("added2", "sum2", "mean", "means", "embedding"),
    ]


def test_only_weights_that_half_precision_holds_are_stored_in_it() -> None:
    exact = np.arange(2_048, dtype=np.float32)
    inexact = exact + np.float32(1e-4)
    weights = [numpy_helper.from_array(exact, "a"), numpy_helper.from_array(inexact, "b")]
    model = helper.make_model(helper.make_graph([], "weights", [], [], weights))
    store_half(model)
    types = {weight.name: weight.data_type for weight in model.graph.initializer}
    assert types == {"a.half": TensorProto.FLOAT16, "b": TensorProto.FLOAT}
