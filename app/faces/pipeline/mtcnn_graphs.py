"""Builds MTCNN's three networks as ONNX graphs.

The input of each is uint8 RGB, shape (n, height, width, 3). The scaling of the pixels, `(x - 127.5)
/ 128`, is part of the first convolution's weights.

ONNX Runtime has no vectorised PRelu. For slopes of at most 1, `max(x, slope * x)` is the same and
takes a third of the time; where a slope is negative, that maximum and max pooling commute, so that
P-Net pools first and then handles a quarter of the elements.
"""

import numpy as np
from onnx import TensorProto, helper

from app.faces.pipeline.mtcnn_weights import Array, Stage, read_weights
from app.inference.graph_builder import GraphBuilder

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
_CHANNELS = (-1, 1, 1)
"""Shape of one value per channel."""
_BLOCK = 16
"""ONNX Runtime rounds the number of a convolution's channels up to a multiple (AVX-512: 16)."""


def build_stage(stage: Stage) -> bytes:
    """Returns the serialized ONNX graph of one stage.

    The outputs are `offsets`, `landmarks` (O-Net only) and `scores`, in this order. Scores of P-Net
    have shape (n, 1, rows, columns), those of the others (n, 1): the probability of a face.
    Raises ModelError if the package is missing or its weights are not those of mtcnn 1.0.0.
    """
    return _StageGraph(stage, read_weights(stage)).serialize()


class _StageGraph:
    """Adds the layers of one stage in order; each takes the next arrays of the weights.

    The softmax over two classes is the logistic function of the difference of their logits.
    """

    def __init__(self, stage: Stage, weights: list[Array]) -> None:
        self._stage: Stage = stage
        self._weights = iter(weights)
        self._graph = GraphBuilder()

    def serialize(self) -> bytes:
        graph = self._graph
        x = graph.add("Transpose", ["image"], perm=[0, 3, 1, 2])
        x = graph.add("Cast", [x], to=TensorProto.FLOAT)
        for position, pool in enumerate(_POOLS[self._stage]):
            x = self._layer(x, first=position == 0, pool=pool)
        if self._stage == "pnet":
            self._convolved_heads(x)
        else:  # the original Matlab code flattens in the order width, height, channel
            x = graph.add("Transpose", [x], perm=[0, 3, 2, 1])
            x = self._linear(graph.add("Flatten", [x]), *self._next_linear())
            self._dense_heads(self._prelu(x, self._slopes(), (-1,)))
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])
        return graph.serialize(self._stage, [image], _HEADS[self._stage])

    def _layer(self, x: str, first: bool, pool: tuple[int, str] | None) -> str:
        """Adds a convolution, its PReLU and max pooling."""
        kernel, bias = self._next_convolution()
        if first:
            kernel = kernel / 128.0
            bias = bias - 127.5 * kernel.sum(axis=(1, 2, 3))
        slopes = self._slopes()
        if pool is None:
            return self._prelu(self._convolution(x, kernel, bias), slopes, _CHANNELS)
        negative = np.flatnonzero(slopes < 0)
        if -(-len(slopes) // _BLOCK) == -(-(len(slopes) + len(negative)) // _BLOCK):
            return self._pooled_first(x, kernel, bias, slopes, pool)
        x = self._convolution(x, kernel, bias)
        # Max pooling and a slope above 1 commute, too.
        x = self._pool(self._prelu(x, np.minimum(slopes, 1.0), _CHANNELS), pool)
        return self._prelu(x, np.maximum(slopes, 1.0), _CHANNELS)

    def _pooled_first(
        self, x: str, kernel: Array, bias: Array, slopes: Array, pool: tuple[int, str]
    ) -> str:
        """Pools the convolution before the PReLU.

        pool(max(x, a x)) = max(pool(x), pool(a x)), and pool(a x) = a pool(x) unless a < 0. For
        negative slopes, the convolution returns `a x` in further channels, which cost nothing
        where its number of channels is rounded up.
        """
        graph, channels = self._graph, len(slopes)
        negative = np.flatnonzero(slopes < 0)
        scaled = slopes[negative]
        kernel = np.concatenate([kernel, kernel[negative] * scaled[:, None, None, None]])
        bias = np.concatenate([bias, bias[negative] * scaled])
        pooled = self._pool(self._convolution(x, kernel, bias), pool)
        bounds = [graph.constant(np.array([bound])) for bound in (0, channels, 1)]
        plain = graph.add("Slice", [pooled, *bounds])
        source, factor = np.arange(channels), np.clip(slopes, 0.0, 1.0)
        source[negative], factor[negative] = channels + np.arange(len(negative)), 1.0
        other = graph.add("Gather", [pooled, graph.constant(source)], axis=1)
        x = graph.add("Max", [plain, self._times(other, factor, _CHANNELS)])
        return self._prelu(x, np.maximum(slopes, 1.0), _CHANNELS)

    def _dense_heads(self, x: str) -> None:
        for head in _HEADS[self._stage]:
            weights, bias = self._next_linear()
            if head == "scores":
                weights, bias = np.diff(weights, axis=1), np.diff(bias)
            result = self._linear(x, weights, bias)
            self._graph.add("Sigmoid" if head == "scores" else "Identity", [result], output=head)

    def _convolved_heads(self, x: str) -> None:
        """Adds P-Net's heads as one convolution, because its channels are rounded up."""
        graph = self._graph
        (offsets, offset_bias), (classes, class_bias) = (self._next_convolution() for _ in range(2))
        kernel = np.concatenate([offsets, np.diff(classes, axis=0)])
        x = self._convolution(x, kernel, np.concatenate([offset_bias, np.diff(class_bias)]))
        zero, four, five, axis = (graph.constant(np.array([value])) for value in (0, 4, 5, 1))
        graph.add("Slice", [x, zero, four, axis], output="offsets")
        graph.add("Sigmoid", [graph.add("Slice", [x, four, five, axis])], output="scores")

    def _prelu(self, x: str, slopes: Array, shape: tuple[int, ...]) -> str:
        """Adds a PReLU whose slopes are all at most 1 or all at least 1; none if all are 1."""
        if (slopes == 1.0).all():
            return x
        smaller = bool((slopes <= 1.0).all())
        assert smaller or (slopes >= 1.0).all(), "slopes on both sides of 1 have to be separated"
        return self._graph.add("Max" if smaller else "Min", [x, self._times(x, slopes, shape)])

    def _times(self, x: str, factors: Array, shape: tuple[int, ...]) -> str:
        return self._graph.add("Mul", [x, self._constant(factors.reshape(shape))])

    def _pool(self, x: str, pool: tuple[int, str]) -> str:
        side, padding = pool
        return self._graph.add(
            "MaxPool", [x], kernel_shape=[side] * 2, strides=[2, 2], auto_pad=padding
        )

    def _convolution(self, x: str, kernel: Array, bias: Array) -> str:
        return self._graph.add("Conv", [x, self._constant(kernel), self._constant(bias)])

    def _linear(self, x: str, weights: Array, bias: Array) -> str:
        return self._graph.add("Gemm", [x, self._constant(weights), self._constant(bias)])

    def _next_convolution(self) -> tuple[Array, Array]:
        kernel = next(self._weights).transpose(3, 2, 0, 1)  # HWIO -> OIHW
        return kernel, next(self._weights)

    def _next_linear(self) -> tuple[Array, Array]:
        return next(self._weights), next(self._weights)

    def _slopes(self) -> Array:
        return next(self._weights).reshape(-1)

    def _constant(self, values: Array) -> str:
        return self._graph.constant(values.astype(np.float32))
