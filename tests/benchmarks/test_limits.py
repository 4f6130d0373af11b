"""The multiplications that `benchmarks.limits` counts."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.limits import Part, multiplications


def test_multiplications_of_convolutions_and_matrix_products_are_counted() -> None:
    kernel = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "kernel")
    matrix = numpy_helper.from_array(np.ones((8 * 4 * 4, 10), np.float32), "matrix")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, ["n", 10])
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["map"]),
        helper.make_node("Flatten", ["map"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix"], ["result"]),
    ]
    graph = helper.make_graph(nodes, "network", [image], [result], [kernel, matrix])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    counted = multiplications(model.SerializeToString(), (2, 3, 6, 6))
    assert counted == 2 * (4 * 4 * 8 * 3 * 3 * 3 + 8 * 4 * 4 * 10)


def test_a_part_states_its_distance_from_the_limit() -> None:
    part = Part("a scan", 2e9, "bytes", 1e9, 4_000.0)
    assert part.row() == ("a scan", "2,000 million bytes", 2_000.0, 4_000.0, 2.0)
