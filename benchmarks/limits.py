"""How far the parts of a request are from what one core can do.

python -m benchmarks.limits [--model models/sima-face-15] [--int8 models/sima-face-15-int8]

The limits are measured in the same run: multiplications per second in ONNX Runtime's product of
two matrices of 1,024 x 1,024, in single precision and in 8-bit integers (u8 x s8), and the bytes
per second in which NumPy finds the maximum of a gigabyte. A part that reached its limit would do
nothing but multiply, or read memory, as fast as in these loops.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from app.faces.pipeline.embed import load_embedder
from app.faces.pipeline.mtcnn_graphs import build_stage
from app.faces.pipeline.mtcnn_weights import Stage
from app.index.faiss.index import FaissIndex
from app.inference.session import OnnxSession
from app.vectors import l2_normalize
from benchmarks.report import conditions, median_ms, table

_CPU = ["CPUExecutionProvider"]
_SIDE = 1_024
_GIGABYTE = 1 << 30
_PEOPLE, _DIMENSION = 200_000, 256
_LEVEL = (144, 192)  # the largest level of P-Net for 640 x 480 and faces from 40 pixels on
_PATCHES: tuple[tuple[Stage, str, int, int], ...] = (
    ("rnet", "R-Net", 48, 24),
    ("onet", "O-Net", 6, 48),
)
"""How many patches of which side a photo with one face has."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a request: what it has to do, how fast that is possible, and how long it took."""

    name: str
    amount: float
    unit: str
    per_second: float
    milliseconds: float

    def row(self) -> tuple[object, ...]:
        """The cells of the table."""
        limit = self.amount / self.per_second * 1_000
        amount = f"{self.amount / 1e6:,.0f} million {self.unit}"
        return self.name, amount, limit, self.milliseconds, self.milliseconds / limit


def matrix_products(eight_bits: bool) -> float:
    """Multiplications per second of one thread in the product of two large matrices."""
    values = np.random.default_rng(0).integers(0, 128, (_SIDE, _SIDE))
    if eight_bits:
        operator, types = "MatMulInteger", (TensorProto.UINT8, TensorProto.INT32)
        weights = numpy_helper.from_array(values.astype(np.int8), "weights")
    else:
        operator, types = "MatMul", (TensorProto.FLOAT, TensorProto.FLOAT)
        weights = numpy_helper.from_array(values.astype(np.float32), "weights")
    x, y = (
        helper.make_tensor_value_info(name, kind, [_SIDE, _SIDE])
        for name, kind in zip("xy", types, strict=True)
    )
    node = helper.make_node(operator, ["x", "weights"], ["y"])
    graph = helper.make_graph([node], "product", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = OnnxSession(model.SerializeToString(), _CPU)
    batch = values.astype(np.uint8) if eight_bits else values.astype(np.float32)
    return _SIDE**3 / (median_ms(lambda: session.run(batch), 20) / 1_000)


def memory_bandwidth() -> float:
    """Bytes per second that one thread reads."""
    memory = np.ones(_GIGABYTE, dtype=np.uint8)
    return _GIGABYTE / (median_ms(memory.max, 5) / 1_000)


def multiplications(model: bytes, shape: tuple[int, ...]) -> int:
    """Multiplications of the convolutions and matrix products for an input of this shape."""
    loaded = onnx.load_from_string(model)
    for dimension, size in zip(
        loaded.graph.input[0].type.tensor_type.shape.dim, shape, strict=True
    ):
        dimension.dim_value = size
    graph = shape_inference.infer_shapes(loaded, data_prop=True).graph
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in [*graph.value_info, *graph.output]
    }
    shapes |= {weight.name: list(weight.dims) for weight in graph.initializer}
    count = 0
    for node in graph.node:
        if node.op_type == "Conv":
            count += math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type == "Gemm":
            rows = shapes[node.output[0]][0]
            count += rows * math.prod(shapes[node.input[1]])
    return count


def embedding(name: str, folder: Path, counted: Path, per_second: float) -> Part:
    """One crop and its mirror image. The fp32 network in `counted` has the same multiplications."""
    embedder = load_embedder(folder, _CPU, 1)
    side = embedder.manifest.input.size
    crop = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    network = (counted / embedder.manifest.file).read_bytes()
    amount = multiplications(network, (2, 3, side, side))
    return Part(
        name, amount, "multiplications", per_second, median_ms(lambda: embedder.embed([crop]))
    )


def detector(name: str, stage: Stage, shape: tuple[int, ...], per_second: float) -> Part:
    """One run of a stage of MTCNN."""
    graph = build_stage(stage)
    session = OnnxSession(graph, _CPU)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    amount = multiplications(graph, shape)
    spent = median_ms(lambda: session.run(pixels))
    return Part(name, amount, "multiplications", per_second, spent)


def flat_search(per_second: float) -> Part:
    """An exact search, which reads all vectors."""
    rng, index = np.random.default_rng(0), FaissIndex(_DIMENSION, quantize_from=_PEOPLE + 1)
    people = l2_normalize(rng.standard_normal((_PEOPLE, _DIMENSION), dtype=np.float32))
    index.upsert(np.arange(_PEOPLE), people)
    name = f"exact search of {_PEOPLE:,} x {_DIMENSION}"
    spent = median_ms(lambda: index.search(people[:1], 5))
    return Part(name, people.nbytes, "bytes", per_second, spent)


def main() -> None:
    """Measure the limits and the parts, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/sima-face-15"))
    parser.add_argument("--int8", type=Path, default=Path("models/sima-face-15-int8"))
    options = parser.parse_args()
    single, integer, bandwidth = matrix_products(False), matrix_products(True), memory_bandwidth()
    parts = [
        embedding("embedding in fp32", options.model, options.model, single),
        embedding("embedding in int8", options.int8, options.model, integer),
        detector(f"P-Net, {_LEVEL[1]} x {_LEVEL[0]}", "pnet", (1, *_LEVEL, 3), single),
        *(
            detector(f"{name}, {count} patches", stage, (count, side, side, 3), single)
            for stage, name, count, side in _PATCHES
        ),
        flat_search(bandwidth),
    ]
    conditions("one thread")
    rates = f"{single / 1e9:.0f} in fp32, {integer / 1e9:.0f} in int8"
    print(f"billion multiplications per second: {rates}")
    print(f"{bandwidth / 1e9:.1f} GB per second\n")
    columns = ("", "has to do", "limit ms", "measured ms", "measured / limit")
    table(columns, [part.row() for part in parts])


if __name__ == "__main__":
    main()
