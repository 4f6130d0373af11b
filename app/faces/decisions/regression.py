"""Fits the network that predicts impostor means, in NumPy, and writes it as an ONNX file.

A multilayer perceptron (dimension-256-64-1, ReLU) trained by Adam (Kingma & Ba 2015) on the squared
error. It holds weights only, no face's template.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.vectors import Matrix

HIDDEN = (256, 64)

_BATCH = 256
_RATE = 2e-3
_DECAY = 1e-4
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Perceptron:
    """Weights (inputs, outputs) and biases (outputs,) of each layer; the last has one output."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def predict(self, embeddings: Matrix) -> Floats:
        """One number a row, shape (n,)."""
        return self.activations(embeddings)[-1][:, 0]

    def activations(self, x: Floats) -> list[Floats]:
        """The input and the output of every layer."""
        values = [x]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            if number < len(self.weights) - 1:
                x = np.maximum(x, 0.0)
            values.append(x)
        return values

    def to_onnx(self) -> bytes:
        """The network as an ONNX file: input `embeddings` (n, dimension), output (n, 1)."""
        nodes, constants, value = [], [], "embeddings"
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            names = [f"weight_{number}", f"bias_{number}"]
            constants += [
                numpy_helper.from_array(array, name)
                for array, name in zip((weight, bias), names, strict=True)
            ]
            last = number == len(self.weights) - 1
            out = "impostor_mean" if last else f"linear_{number}"
            nodes.append(helper.make_node("Gemm", [value, *names], [out]))
            if not last:
                nodes.append(helper.make_node("Relu", [out], [f"hidden_{number}"]))
            value = f"hidden_{number}"
        tensor = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "impostor_mean",
            [tensor("embeddings", TensorProto.FLOAT, ["n", self.weights[0].shape[0]])],
            [tensor("impostor_mean", TensorProto.FLOAT, ["n", 1])],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def fit_perceptron(
    embeddings: Matrix, targets: Floats, epochs: int = 30, seed: int = 0
) -> Perceptron:
    """Fit `targets` (n,) from `embeddings` (n, dimension); the rate falls linearly to zero."""
    rng = np.random.default_rng(seed)
    scale = float(targets.std()) or 1.0
    centred = ((targets - targets.mean()) / scale)[:, None].astype(np.float32)
    parameters = _initial(embeddings.shape[1], rng)
    optimiser = _Adam(parameters)
    steps = epochs * (len(embeddings) // _BATCH)
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(embeddings))
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            rows = order[start : start + _BATCH]
            gradients = _gradients(parameters, embeddings[rows], centred[rows])
            optimiser.step(gradients, _RATE * (1.0 - step / steps))
            step += 1
    half = len(parameters) // 2
    weights, biases = parameters[:half], parameters[half:]
    last = biases[-1] * scale + targets.mean()
    return Perceptron(
        (*weights[:-1], (weights[-1] * scale).astype(np.float32)),
        (*biases[:-1], last.astype(np.float32)),
    )


def _initial(dimension: int, rng: np.random.Generator) -> list[Floats]:
    """He et al. 2015; the first layer for unit vectors, whose components are 1 / sqrt(d)."""
    sizes = (dimension, *HIDDEN, 1)
    gains = [np.sqrt(2.0)] + [np.sqrt(2.0 / size) for size in sizes[1:-1]]
    shapes = zip(sizes, sizes[1:], gains, strict=False)
    weights = [rng.normal(0, gain, (a, b)).astype(np.float32) for a, b, gain in shapes]
    return [*weights, *(np.zeros(size, dtype=np.float32) for size in sizes[1:])]


def _gradients(parameters: Sequence[Floats], x: Floats, y: Floats) -> list[Floats]:
    """Of the mean squared error, in the order of `parameters`."""
    half = len(parameters) // 2
    network = Perceptron(tuple(parameters[:half]), tuple(parameters[half:]))
    values = network.activations(x)
    error = np.asarray(2.0 * (values[-1] - y) / len(x), dtype=np.float32)
    weights: list[Floats] = []
    biases: list[Floats] = []
    for number in range(half - 1, -1, -1):
        weights.insert(0, values[number].T @ error)
        biases.insert(0, error.sum(axis=0))
        if number:
            error = (error @ network.weights[number].T) * (values[number] > 0)
    return [*weights, *biases]


class _Adam:
    """Updates parameters in place, with decoupled weight decay on the weights."""

    def __init__(self, parameters: list[Floats]) -> None:
        self._parameters = parameters
        self._mean = [np.zeros_like(p) for p in parameters]
        self._square = [np.zeros_like(p) for p in parameters]
        self._steps = 0

    def step(self, gradients: Sequence[Floats], rate: float) -> None:
        self._steps += 1
        first = 1.0 - _FIRST**self._steps
        second = 1.0 - _SECOND**self._steps
        for number, gradient in enumerate(gradients):
            self._mean[number] += (1.0 - _FIRST) * (gradient - self._mean[number])
            self._square[number] += (1.0 - _SECOND) * (gradient**2 - self._square[number])
            change = self._mean[number] / first
            change /= np.sqrt(self._square[number] / second) + _TINY
            if gradient.ndim > 1:
                change += _DECAY * self._parameters[number]
            self._parameters[number] -= rate * change
