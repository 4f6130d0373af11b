"""Distillation teachers: sessions, several teachers, and the reduction of their dimension."""

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("torch", reason="requires the extra `train`")

from app.errors import ModelError
from app.faces.pipeline.embed import OnnxEmbedder
from app.faces.pipeline.types import Image
from app.inference.manifest import read_manifest, read_verified
from app.inference.session import OnnxSession
from app.vectors import Matrix, l2_normalize
from tests.models import TRAINED
from tests.training.faces.patterns import synthetic_crops
from training.faces.teacher import (
    OneByOneSession,
    Teacher,
    combine,
    load_teacher,
    principal_axes,
)


class NarrowEmbedder(OnnxEmbedder):
    """The shipped model, with the first 96 dimensions of its embeddings only."""

    def embed(self, crops: Sequence[Image]) -> Matrix:
        return l2_normalize(super().embed(crops)[:, :96])


def shipped_session() -> OnnxSession:
    manifest = read_manifest(TRAINED)
    return OnnxSession(
        read_verified(TRAINED / manifest.file, manifest.sha256), ["CPUExecutionProvider"]
    )


def test_a_one_by_one_session_equals_a_batched_session() -> None:
    session = shipped_session()
    size = read_manifest(TRAINED).input.size
    batch = np.random.default_rng(0).normal(size=(5, 3, size, size)).astype(np.float32)
    batched, one_by_one = session.run(batch), OneByOneSession(session).run(batch)
    assert len(batched) == len(one_by_one)
    for expected, found in zip(batched, one_by_one, strict=True):
        assert found.shape == expected.shape
        assert found == pytest.approx(expected, abs=1e-4)


def test_openvino_embeddings_agree_with_onnx_runtime() -> None:
    pytest.importorskip("openvino", reason="requires the extra `train`")
    shown = [np.resize(image[:80, :80], (112, 112, 3)) for image in synthetic_crops(6, 1).images]
    fast = load_teacher(TRAINED, None, fast=True)
    assert fast.providers == ("OpenVINO",)
    agreement = (fast.embed(shown) * load_teacher(TRAINED, None).embed(shown)).sum(axis=1)
    assert agreement.min() > 0.99


def test_two_teachers_of_different_dimensions_are_concatenated_and_reduced() -> None:
    crops = synthetic_crops(12, 2)
    wide = load_teacher(TRAINED, None)
    narrow = NarrowEmbedder(read_manifest(TRAINED), shipped_session())
    both = Teacher([wide, narrow], None)
    images, landmarks = list(crops.images), list(crops.landmarks)
    together = both.embed(images, landmarks)
    assert together.shape == (24, 256 + 96)
    parts = [Teacher([member], None).embed(images, landmarks) for member in (wide, narrow)]
    assert together == pytest.approx(combine(parts, None), abs=1e-5)
    assert together @ together.T == pytest.approx(
        (parts[0] @ parts[0].T + parts[1] @ parts[1].T) / 2, abs=1e-5
    ), "every teacher has the same weight in a cosine"

    axes = principal_axes(parts, 32)
    assert axes is not None
    reduced = Teacher([wide, narrow], axes).embed(images, landmarks)
    assert reduced.shape == (24, 32)
    assert np.linalg.norm(reduced, axis=1) == pytest.approx(np.ones(24), abs=1e-5)
    assert reduced @ reduced.T == pytest.approx(together @ together.T, abs=1e-4), (
        "32 dimensions keep the cosines of 24 vectors"
    )


def test_principal_axes_keep_the_most_energy() -> None:
    crops = synthetic_crops(30, 1)
    embeddings = Teacher([load_teacher(TRAINED, None)], None).embed(
        list(crops.images), list(crops.landmarks)
    )
    axes = principal_axes([embeddings], 8)
    assert axes is not None
    assert axes.T @ axes == pytest.approx(np.eye(8), abs=1e-5)
    random_axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(256, 8)))
    largest = np.linalg.svd(embeddings, compute_uv=False)[:8]
    energy = float(np.square(embeddings @ axes).sum())
    assert energy == pytest.approx(float(np.square(largest).sum()), rel=1e-4)
    assert energy > 3 * float(np.square(embeddings @ random_axes).sum())

    complete = principal_axes([embeddings], len(embeddings))
    reduced = combine([embeddings], complete)
    assert reduced @ reduced.T == pytest.approx(embeddings @ embeddings.T, abs=1e-4)


def test_the_dimension_of_the_teachers_limits_the_network() -> None:
    vectors = l2_normalize(np.random.default_rng(0).normal(size=(20, 6)))
    assert principal_axes([vectors[:, :4], vectors[:, 4:]], 6) is None
    with pytest.raises(ValueError, match="6 dimensions, the network has 7"):
        principal_axes([vectors], 7)
    with pytest.raises(ModelError, match="at least one teacher"):
        Teacher([], None)
