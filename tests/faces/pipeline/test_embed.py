"""Embedding: mirroring and channel order follow the manifest."""

from pathlib import Path

import numpy as np
import pytest

from app.faces.pipeline.embed import OnnxEmbedder, load_embedder
from app.inference.manifest import read_manifest, read_verified
from app.inference.session import OnnxSession
from app.vectors import l2_normalize
from tests.models import SHIPPED


def embedder(**changes: object) -> OnnxEmbedder:
    """Returns the shipped model with a changed input specification."""
    manifest = read_manifest(SHIPPED)
    spec = manifest.input.model_copy(update=changes)
    weights = read_verified(Path(SHIPPED) / manifest.file, manifest.sha256)
    session = OnnxSession(weights, ["CPUExecutionProvider"])
    return OnnxEmbedder(manifest.model_copy(update={"input": spec}), session)


def test_mirror_embeds_the_mean_of_crop_and_mirror_image() -> None:
    size = read_manifest(SHIPPED).input.size
    crop = np.random.default_rng(1).integers(0, 256, (size, size, 3)).astype(np.uint8)
    plain, mirrored = embedder(mirror=False), embedder(mirror=True)
    mean = l2_normalize(plain.embed([crop]) + plain.embed([crop[:, ::-1]]))
    assert mirrored.embed([crop, crop])[1] == pytest.approx(mean[0], abs=1e-4)
    assert mirrored.embed([crop[:, ::-1]])[0] == pytest.approx(mean[0], abs=1e-4)
    assert mirrored.space != plain.space


def test_bgr_reverses_the_channels() -> None:
    size = read_manifest(SHIPPED).input.size
    crop = np.random.default_rng(2).integers(0, 256, (size, size, 3)).astype(np.uint8)
    rgb, bgr = embedder(channels="RGB"), embedder(channels="BGR")
    reversed_crop = np.ascontiguousarray(crop[:, :, ::-1])
    assert bgr.embed([reversed_crop])[0] == pytest.approx(rgb.embed([crop])[0], abs=1e-5)


def test_the_shipped_model_matches_its_manifest() -> None:
    embedder = load_embedder(SHIPPED, ["CPUExecutionProvider"])
    size = embedder.manifest.input.size
    crops = np.random.default_rng(0).integers(0, 256, (3, size, size, 3)).astype(np.uint8)
    vectors = embedder.embed(list(crops))
    assert vectors.shape == (3, embedder.manifest.dimension)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert embedder.embed([crops[1]])[0] == pytest.approx(vectors[1], abs=1e-4)
    assert (SHIPPED / embedder.manifest.file).stat().st_size < 30_000_000
    assert (SHIPPED / "README.md").is_file()
