"""The quality network: spoiled faces score lower, and its files are verified."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.errors import ModelError
from app.faces.pipeline.decode import ImageLimits, decode
from app.faces.pipeline.mtcnn import Mtcnn
from app.faces.pipeline.quality_model import SHIPPED, QualityModel, quality_crop
from app.faces.pipeline.types import Image, Points

CPU = ["CPUExecutionProvider"]


@pytest.fixture(scope="module")
def model() -> QualityModel:
    """The shipped network."""
    return QualityModel(CPU)


@pytest.fixture(scope="module")
def portrait(portrait_files: dict[str, bytes]) -> tuple[Image, Points]:
    """A clear portrait and its landmarks."""
    image = decode(portrait_files["biden"], ImageLimits()).preview
    return image, Mtcnn(CPU).detect(image)[0].landmarks


def score(model: QualityModel, image: Image, landmarks: Points) -> float:
    return float(model.score([quality_crop(image, landmarks)])[0])


def test_a_clear_portrait_scores_high(model: QualityModel, portrait: tuple[Image, Points]) -> None:
    assert 0.8 < score(model, *portrait) <= 1.0


def test_the_score_falls_with_the_severity(
    model: QualityModel, portrait: tuple[Image, Points]
) -> None:
    image, landmarks = portrait
    eyes = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    blurred = [cv2.GaussianBlur(image, (0, 0), share * eyes) for share in (0.05, 0.1, 0.2)]
    dark = [(image * light).astype(np.uint8) for light in (0.3, 0.1, 0.03)]
    for spoiled in (blurred, dark):
        scores = [score(model, np.asarray(one, dtype=np.uint8), landmarks) for one in spoiled]
        assert scores == sorted(scores, reverse=True)
        assert scores[-1] < score(model, image, landmarks) - 0.3


def test_a_face_upside_down_scores_low(model: QualityModel, portrait: tuple[Image, Points]) -> None:
    image, landmarks = portrait
    middle = landmarks.mean(axis=0)
    assert score(model, image, 2 * middle - landmarks) < 0.1


def test_scores_do_not_depend_on_the_batch(
    model: QualityModel, portrait: tuple[Image, Points]
) -> None:
    crop = quality_crop(*portrait)
    together = model.score([crop, crop[:, ::-1], np.zeros_like(crop)])
    assert together[0] == pytest.approx(model.score([crop])[0], abs=1e-5)
    assert ((together >= 0) & (together <= 1)).all()
    assert model.score([]).shape == (0,)


def test_a_changed_network_or_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not readable"):
        QualityModel(CPU, tmp_path)
    shutil.copytree(SHIPPED, tmp_path / "changed")
    network = tmp_path / "changed" / "model.onnx"
    network.write_bytes(network.read_bytes() + b"x")
    with pytest.raises(ModelError, match="digest mismatch"):
        QualityModel(CPU, tmp_path / "changed")
    (tmp_path / "changed" / "quality.toml").write_text("file = 3", encoding="utf-8")
    with pytest.raises(ModelError, match="not a valid manifest"):
        QualityModel(CPU, tmp_path / "changed")


def test_the_network_is_small() -> None:
    assert (SHIPPED / "model.onnx").stat().st_size < 1_000_000
    assert (SHIPPED / "README.md").is_file()
