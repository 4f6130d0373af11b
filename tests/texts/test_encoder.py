"""The sentence encoder in NumPy beside the same network in torch, on small weights of chance."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn import functional

from app.errors import ModelError
from app.texts.encoder import SentenceEncoder, gelu

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "sat", "on", "the", "mat"]
DIMENSION, WIDE, LAYERS, HEADS = 12, 20, 2, 3
TEXTS = ["a cat sat on the mat", "cat", "The zebra, sat!", "on on on on on on on on"]


def make_model(folder: Path) -> dict[str, np.ndarray]:
    """Weights, tokenizer and configuration as the published model has them."""
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
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
            f"{name}.intermediate.dense": (WIDE, DIMENSION),
            f"{name}.output.dense": (DIMENSION, WIDE),
        }
        for part, shape in shapes.items():
            weights |= {f"{part}.weight": drawn(*shape), f"{part}.bias": drawn(shape[0])}
        for part in (f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"):
            weights |= {f"{part}.weight": 1 + drawn(DIMENSION), f"{part}.bias": drawn(DIMENSION)}
    save_file(weights, folder / "model.safetensors")
    config = {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "layer_norm_eps": 1e-12}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    return weights


def by_torch(weights: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """One text through the same network, out of torch's own parts."""
    w = {name: torch.from_numpy(value) for name, value in weights.items()}

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, (DIMENSION,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

    x = w["embeddings.word_embeddings.weight"][torch.tensor(ids)]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        q, k, v = (
            linear(x, f"{name}.attention.self.{part}").view(len(ids), HEADS, -1).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        mixed = linear(
            mixed.transpose(0, 1).reshape(len(ids), -1), f"{name}.attention.output.dense"
        )
        x = norm(x + mixed, f"{name}.attention.output.LayerNorm")
        inner = functional.gelu(linear(x, f"{name}.intermediate.dense"))
        x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return np.asarray(functional.normalize(x.mean(dim=0), dim=0))


def test_numpy_and_torch_agree(tmp_path: Path) -> None:
    """Texts of different lengths in one batch: padding changes nothing."""
    weights = make_model(tmp_path)
    encoder = SentenceEncoder(tmp_path)
    found = encoder.embed(TEXTS)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text, row in zip(TEXTS, found, strict=True):
        assert row == pytest.approx(by_torch(weights, tokenizer.encode(text).ids), abs=2e-6)
    assert encoder.space.dimension == DIMENSION
    assert encoder.embed([]).shape == (0, DIMENSION)


def test_gelu() -> None:
    x = np.linspace(-6, 6, 1001, dtype=np.float32)
    assert np.abs(gelu(x) - functional.gelu(torch.from_numpy(x)).numpy()).max() < 1e-6


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_broken_folder_is_said(tmp_path: Path, file: str) -> None:
    make_model(tmp_path)
    (tmp_path / file).write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="no readable sentence encoder"):
        SentenceEncoder(tmp_path)
