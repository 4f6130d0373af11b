"""Compares the sentence encoder with two independent implementations on small random weights."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

pytest.importorskip("tokenizers", reason="the extra `text` is not installed")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from app.errors import ModelError
from app.texts.encoder import SentenceEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "sat", "on", "the", "mat"]
DIMENSION, INNER, LAYERS, HEADS = 12, 20, 2, 3
EPSILON = 1e-12
TEXTS = ["a cat sat on the mat", "cat", "The zebra, sat!", "on on on on on on on on"]

Weights = dict[str, NDArray[np.float32]]


def make_model(folder: Path) -> Weights:
    """Writes weights, tokenizer and configuration in the formats of the published model."""
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 0.4, shape).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": drawn(len(WORDS), DIMENSION),
        "embeddings.position_embeddings.weight": drawn(64, DIMENSION),
        "embeddings.token_type_embeddings.weight": drawn(2, DIMENSION),
        "embeddings.LayerNorm.weight": 1 + drawn(DIMENSION),
        "embeddings.LayerNorm.bias": drawn(DIMENSION),
    }
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        shapes = {
            f"{name}.attention.self.query": (DIMENSION, DIMENSION),
            f"{name}.attention.self.key": (DIMENSION, DIMENSION),
            f"{name}.attention.self.value": (DIMENSION, DIMENSION),
            f"{name}.attention.output.dense": (DIMENSION, DIMENSION),
            f"{name}.intermediate.dense": (INNER, DIMENSION),
            f"{name}.output.dense": (DIMENSION, INNER),
        }
        for part, shape in shapes.items():
            weights |= {f"{part}.weight": drawn(*shape), f"{part}.bias": drawn(shape[0])}
        for part in (f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"):
            weights |= {f"{part}.weight": 1 + drawn(DIMENSION), f"{part}.bias": drawn(DIMENSION)}
    save_file(weights, folder / "model.safetensors")
    config = {
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "layer_norm_eps": EPSILON,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    return weights


def token_ids(folder: Path) -> list[list[int]]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [tokenizer.encode(text).ids for text in TEXTS]


def embed_with_numpy(weights: Weights, ids: list[int]) -> NDArray[np.float64]:
    """Embeds one text in float64, following Devlin et al. 2019 literally."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    gelu = np.vectorize(lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2)

    def linear(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            np.split(linear(x, f"{name}.attention.self.{part}"), HEADS, axis=-1)
            for part in ("query", "key", "value")
        )
        heads = []
        for q, k, v in zip(query, key, value, strict=True):
            scores = np.exp(q @ k.T / np.sqrt(DIMENSION / HEADS))
            heads.append(scores / scores.sum(axis=-1, keepdims=True) @ v)
        attended = linear(np.concatenate(heads, axis=-1), f"{name}.attention.output.dense")
        x = norm(x + attended, f"{name}.attention.output.LayerNorm")
        inner = gelu(linear(x, f"{name}.intermediate.dense"))
        x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    mean: NDArray[np.float64] = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def embed_with_torch(weights: Weights, ids: list[int]) -> NDArray[np.float32]:
    """Embeds one text with torch's own transformer layer."""
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    w = {name: torch.from_numpy(value) for name, value in weights.items()}
    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + w["embeddings.token_type_embeddings.weight"][0]
    scale, bias = w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"]
    x = torch.nn.functional.layer_norm(x, (DIMENSION,), scale, bias, EPSILON)[None]
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        module = torch.nn.TransformerEncoderLayer(
            DIMENSION,
            HEADS,
            INNER,
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=EPSILON,
            batch_first=True,
        ).eval()
        attention = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        state = {
            "self_attn.in_proj_weight": torch.cat([w[f"{part}.weight"] for part in attention]),
            "self_attn.in_proj_bias": torch.cat([w[f"{part}.bias"] for part in attention]),
        }
        for theirs, ours in (
            ("self_attn.out_proj", "attention.output.dense"),
            ("norm1", "attention.output.LayerNorm"),
            ("linear1", "intermediate.dense"),
            ("linear2", "output.dense"),
            ("norm2", "output.LayerNorm"),
        ):
            state[f"{theirs}.weight"] = w[f"{name}.{ours}.weight"]
            state[f"{theirs}.bias"] = w[f"{name}.{ours}.bias"]
        module.load_state_dict(state)
        with torch.no_grad():
            x = module(x)
    return np.asarray(torch.nn.functional.normalize(x[0].mean(dim=0), dim=0))


@pytest.mark.parametrize("reference", [embed_with_numpy, embed_with_torch])
def test_a_padded_batch_equals_the_reference(tmp_path: Path, reference: object) -> None:
    """The texts differ in length, so all but one of them are padded."""
    assert callable(reference)
    weights = make_model(tmp_path)
    encoder = SentenceEncoder(tmp_path)
    for ids, row in zip(token_ids(tmp_path), encoder.embed(TEXTS), strict=True):
        assert row == pytest.approx(reference(weights, ids), abs=2e-6)
    assert encoder.space.dimension == DIMENSION


def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    make_model(tmp_path)
    assert SentenceEncoder(tmp_path).embed([]).shape == (0, DIMENSION)


def test_the_space_names_the_weights(tmp_path: Path) -> None:
    """The digest is that of the weights file, so stored projections stay valid."""
    make_model(tmp_path)
    first = SentenceEncoder(tmp_path).space
    assert SentenceEncoder(tmp_path).space == first
    assert first.digest.startswith("sentences:")


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_an_unreadable_file_raises_model_error(tmp_path: Path, file: str) -> None:
    make_model(tmp_path)
    (tmp_path / file).write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="run `make text`"):
        SentenceEncoder(tmp_path)


def test_a_missing_weight_raises_model_error(tmp_path: Path) -> None:
    weights = make_model(tmp_path)
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        SentenceEncoder(tmp_path)
