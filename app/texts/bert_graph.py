"""Builds BERT (Devlin et al. 2019) with mean pooling as an ONNX graph.

The weights are named as in Hugging Face's `BertModel`; linear layers are stored (out, in).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from app.inference.graph_builder import GraphBuilder

Weights = Mapping[str, NDArray[np.float32]]

PADDING = -1
"""Token id that fills a row up to the length of the longest one; attention ignores it."""

_MASKED = np.float32(-1e9)  # added to the attention score of padding: its softmax is zero


@dataclass(frozen=True, slots=True)
class BertShape:
    """Hyperparameters that the shapes of the weights do not show (from `config.json`)."""

    layers: int
    heads: int
    epsilon: float


def build_bert(weights: Weights, shape: BertShape) -> bytes:
    """Returns the serialized graph: `tokens` to `embeddings`.

    `tokens` is int64, shape (texts, tokens), padded with PADDING. `embeddings` is float32, shape
    (texts, dimension): the mean of the last layer over the tokens that are not padding.
    Raises KeyError if a weight is missing.
    """
    return _BertGraph(weights, shape).serialize()


class _BertGraph:
    """Adds one layer after the other; hidden states have the shape (texts, tokens, dimension)."""

    def __init__(self, weights: Weights, shape: BertShape) -> None:
        self._weights, self._shape = weights, shape
        self._graph = GraphBuilder()
        self._dimension = weights["embeddings.word_embeddings.weight"].shape[1]
        self._to_heads = self._graph.constant([0, 0, shape.heads, self._dimension // shape.heads])
        self._to_states = self._graph.constant([0, 0, self._dimension])
        self._score_scale = self._graph.constant(
            np.float32(1.0 / np.sqrt(self._dimension / shape.heads))
        )

    def serialize(self) -> bytes:
        graph = self._graph
        real = graph.add(
            "Cast",
            [graph.add("GreaterOrEqual", ["tokens", graph.constant(np.int64(0))])],
            to=TensorProto.FLOAT,
        )
        padding = graph.add("Sub", [graph.constant(np.float32(1.0)), real])
        penalty = graph.add("Mul", [padding, graph.constant(_MASKED)])
        penalty = graph.add("Unsqueeze", [penalty, graph.constant([1, 2])])
        states = self._embed()
        for layer in range(self._shape.layers):
            states = self._layer(states, penalty, f"encoder.layer.{layer}")
        self._mean(states, real)
        tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["texts", "tokens"])
        return graph.serialize("bert", [tokens], ["embeddings"])

    def _embed(self) -> str:
        """Word + position + token type embeddings. All tokens have type 0, as in one sentence."""
        graph, weights = self._graph, self._weights
        ids = graph.add("Max", ["tokens", graph.constant(np.int64(0))])
        words = graph.constant(weights["embeddings.word_embeddings.weight"])
        states = graph.add("Gather", [words, ids])
        positions = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        length = graph.add("Shape", ["tokens"], start=1)
        used = graph.add(
            "Slice", [graph.constant(positions), graph.constant([0]), length, graph.constant([0])]
        )
        return self._normalize(graph.add("Add", [states, used]), "embeddings.LayerNorm")

    def _layer(self, states: str, penalty: str, name: str) -> str:
        graph = self._graph
        attended = self._attend(states, penalty, f"{name}.attention.self")
        attended = self._linear(attended, f"{name}.attention.output.dense")
        states = graph.add("Add", [states, attended])
        states = self._normalize(states, f"{name}.attention.output.LayerNorm")
        inner = self._gelu(self._linear(states, f"{name}.intermediate.dense"))
        states = graph.add("Add", [states, self._linear(inner, f"{name}.output.dense")])
        return self._normalize(states, f"{name}.output.LayerNorm")

    def _attend(self, states: str, penalty: str, name: str) -> str:
        """Multi-head scaled dot-product attention (Vaswani et al. 2017)."""
        graph = self._graph
        query, key, value = (
            graph.add("Reshape", [self._linear(states, f"{name}.{part}"), self._to_heads])
            for part in ("query", "key", "value")
        )
        query = graph.add("Transpose", [query], perm=[0, 2, 1, 3])
        key = graph.add("Transpose", [key], perm=[0, 2, 3, 1])
        value = graph.add("Transpose", [value], perm=[0, 2, 1, 3])
        scores = graph.add("Mul", [graph.add("MatMul", [query, key]), self._score_scale])
        shares = graph.add("Softmax", [graph.add("Add", [scores, penalty])], axis=-1)
        mixed = graph.add("Transpose", [graph.add("MatMul", [shares, value])], perm=[0, 2, 1, 3])
        return graph.add("Reshape", [mixed, self._to_states])

    def _gelu(self, x: str) -> str:
        """`x * (1 + erf(x / sqrt 2)) / 2`; ONNX Runtime fuses the nodes."""
        graph = self._graph
        scaled = graph.add("Div", [x, graph.constant(np.float32(np.sqrt(2.0)))])
        phi = graph.add("Add", [graph.add("Erf", [scaled]), graph.constant(np.float32(1.0))])
        return graph.add("Mul", [graph.add("Mul", [x, phi]), graph.constant(np.float32(0.5))])

    def _linear(self, x: str, name: str) -> str:
        graph, weights = self._graph, self._weights
        product = graph.add("MatMul", [x, graph.constant(weights[f"{name}.weight"].T)])
        return graph.add("Add", [product, graph.constant(weights[f"{name}.bias"])])

    def _normalize(self, x: str, name: str) -> str:
        scale = self._graph.constant(self._weights[f"{name}.weight"])
        bias = self._graph.constant(self._weights[f"{name}.bias"])
        return self._graph.add(
            "LayerNormalization", [x, scale, bias], axis=-1, epsilon=self._shape.epsilon
        )

    def _mean(self, states: str, real: str) -> str:
        graph = self._graph
        real = graph.add("Unsqueeze", [real, graph.constant([2])])
        total = graph.add("Mul", [states, real])
        total = graph.add("ReduceSum", [total, graph.constant([1])], keepdims=0)
        count = graph.add("ReduceSum", [real, graph.constant([1])], keepdims=0)
        return graph.add("Div", [total, count], output="embeddings")
