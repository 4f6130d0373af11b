"""Thresholds, manifests, vectors, analogies: the arithmetic of decisions."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ModelError
from app.faces.decisions.thresholds import Thresholds
from app.faces.pipeline.embed import load_embedder
from app.inference.manifest import Calibration, read_manifest
from app.vectors import cosine, l2_normalize, similarity_to_distance
from app.words.analogies import Query, cos_mul
from tests.models import SHIPPED, with_other_mean

TABLE = Calibration(
    population="made up", pairs=1000, similarity=(0.2, 0.4, 0.6), fmr=(0.1, 0.01, 0.001)
)


def test_knots_are_met_and_between_them_the_logarithm_is_linear() -> None:
    thresholds = Thresholds(TABLE)
    assert thresholds.for_fmr(0.01) == pytest.approx(0.4)
    assert thresholds.for_fmr(0.0316227766) == pytest.approx(0.3)
    assert thresholds.fmr_at(0.5) == pytest.approx(0.00316227766)
    assert thresholds.fmr_at(-1.0) == 1.0, "every pair reaches -1"
    assert 0.1 < thresholds.fmr_at(0.0) < 1.0
    assert thresholds.for_fmr(0.5) < 0.2


def test_beyond_the_table_the_last_slope_goes_on() -> None:
    thresholds = Thresholds(TABLE)
    assert thresholds.for_fmr(1e-4) == pytest.approx(0.8)
    assert thresholds.fmr_at(0.8) == pytest.approx(1e-4)
    assert thresholds.for_fmr(1e-12) < 1.0


@given(st.floats(1e-9, 0.5), st.floats(1e-9, 0.5))
def test_a_stricter_rate_never_lowers_the_threshold(a: float, b: float) -> None:
    thresholds = Thresholds(TABLE)
    low, high = sorted((a, b))
    assert thresholds.for_fmr(low) >= thresholds.for_fmr(high)


def test_the_open_set_threshold_grows_with_the_gallery() -> None:
    """FPIR = 1 - (1 - FMR)^N: ten people at 9.56 % are 1 % each."""
    thresholds = Thresholds(TABLE)
    assert thresholds.for_fpir(1 - 0.99**10, 10) == pytest.approx(0.4)
    sizes = [thresholds.for_fpir(0.01, n) for n in (0, 1, 10, 100, 1000)]
    assert sizes[0] == sizes[1]
    assert sizes[1:] == sorted(sizes[1:])
    assert sizes[1] < sizes[4]


@pytest.mark.parametrize(
    ("similarity", "fmr"),
    [
        ((0.1,), (0.1,)),
        ((0.1, 0.2), (0.1,)),
        ((0.2, 0.1), (0.1, 0.01)),
        ((0.1, 0.2), (0.01, 0.1)),
        ((0.1, 0.2), (0.1, 0.0)),
    ],
)
def test_a_table_that_is_no_curve_is_refused(
    similarity: tuple[float, ...], fmr: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="must"):
        Calibration(population="x", pairs=1, similarity=similarity, fmr=fmr)


def test_an_uncalibrated_model_decides_nothing() -> None:
    manifest = read_manifest(SHIPPED).model_copy(update={"calibration": None})
    with pytest.raises(ModelError, match="calibration"):
        Thresholds.of(manifest)


def test_the_shipped_model_is_what_its_manifest_says() -> None:
    embedder = load_embedder(SHIPPED, ["CPUExecutionProvider"])
    size = embedder.manifest.input.size
    crops = np.random.default_rng(0).integers(0, 256, (3, size, size, 3)).astype(np.uint8)
    vectors = embedder.embed(list(crops))
    assert vectors.shape == (3, embedder.manifest.dimension)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert embedder.embed([crops[1]])[0] == pytest.approx(vectors[1], abs=1e-4)
    assert (SHIPPED / embedder.manifest.file).stat().st_size < 30_000_000
    assert (SHIPPED / "README.md").is_file()


def test_preprocessing_is_part_of_the_space(tmp_path: Path) -> None:
    assert (
        read_manifest(SHIPPED).space.digest != read_manifest(with_other_mean(tmp_path)).space.digest
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('file = "model.onnx"', 'file = "../model.onnx"'),
        ('channels = "RGB"', 'channels = "YUV"'),
        ("format = 1", "format = 2"),
        ("format = 1", "format = 1\nsurprise = true"),
        ("format = 1", "format ="),
    ],
)
def test_a_manifest_is_read_strictly(tmp_path: Path, before: str, after: str) -> None:
    text = (SHIPPED / "manifest.toml").read_text()
    assert before in text
    (tmp_path / "manifest.toml").write_text(text.replace(before, after))
    with pytest.raises(ModelError, match="not a valid manifest"):
        read_manifest(tmp_path)


def test_swapped_weights_are_noticed(tmp_path: Path) -> None:
    folder = with_other_mean(tmp_path)
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ModelError, match="sha256"):
        load_embedder(folder, ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="no readable manifest"):
        load_embedder(tmp_path / "nowhere", ["CPUExecutionProvider"])


def test_unit_vectors_and_distance() -> None:
    a, b = l2_normalize(np.array([[3.0, 4.0], [4.0, 3.0]]))
    assert cosine(a, b) == pytest.approx(0.96)
    assert similarity_to_distance(cosine(a, b)) == pytest.approx(float(((a - b) ** 2).sum()))
    assert not l2_normalize(np.zeros((1, 4))).any()


def test_cos_mul_by_hand() -> None:
    """Levy & Goldberg 2014, eq. 4, with cosines moved to [0, 1]."""
    query = Query(np.eye(2, dtype=np.float32), np.array([1.0, -1.0], dtype=np.float32))
    candidate = np.array([[0.6, 0.8]], dtype=np.float32)
    assert cos_mul(query, candidate)[0] == pytest.approx(0.8 / (0.9 + 0.001), rel=1e-5)


def test_cos_mul_is_finite_whatever_the_weights() -> None:
    vectors = np.array([[1, 0], [-1, 0], [0, 1]], dtype=np.float32)
    query = Query(vectors, np.array([100.0, -100.0, 0.0], dtype=np.float32))
    assert np.isfinite(cos_mul(query, vectors)).all()
