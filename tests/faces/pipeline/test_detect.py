"""Detectors: MTCNN, YuNet and non-maximum suppression."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from app.errors import ModelError
from app.faces.pipeline.detect import Detector, suppress, suppress_by_smaller
from app.faces.pipeline.mtcnn import Mtcnn, MtcnnSettings
from app.faces.pipeline.yunet import YuNet
from tests.conftest import SHARED

CPU = ["CPUExecutionProvider"]
YUNET = SHARED / "models" / "face_detection_yunet_2026may.onnx"


@pytest.fixture(scope="module", params=["mtcnn", "yunet"])
def detector(request: pytest.FixtureRequest) -> Detector:
    """Every implementation of the protocol."""
    if request.param == "mtcnn":
        return Mtcnn(CPU)
    if not YUNET.exists():
        pytest.skip("the YuNet model is not in ../shared/models")
    return YuNet(YUNET)


def test_every_detector_finds_the_astronaut(detector: Detector) -> None:
    [face] = detector.detect(skimage.data.astronaut())
    assert 170 < face.box.x < 200
    assert 55 < face.box.y < 75
    left, right, nose, *mouth = face.landmarks
    assert left == pytest.approx([202, 101], abs=6)
    assert right == pytest.approx([247, 102], abs=6)
    assert left[0] < nose[0] < right[0]
    assert mouth[0][0] < mouth[1][0]
    assert face.score > 0.85


def test_images_without_faces_give_an_empty_list(detector: Detector) -> None:
    assert detector.detect(skimage.data.coffee()) == []
    assert detector.detect(np.zeros((64, 64, 3), dtype=np.uint8)) == []
    assert detector.detect(np.zeros((5, 300, 3), dtype=np.uint8)) == []


def test_detections_are_sorted_by_size(detector: Detector) -> None:
    small = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((300, 300)))
    canvas = np.zeros((512, 820, 3), dtype=np.uint8)
    canvas[:300, :300] = small
    canvas[:, 300:812] = skimage.data.astronaut()
    faces = detector.detect(canvas)
    assert len(faces) == 2
    assert faces[0].box.area > faces[1].box.area
    assert faces[0].box.x > 300


def test_mtcnn_ignores_faces_smaller_than_min_face() -> None:
    small = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((128, 128)))
    assert Mtcnn(CPU, MtcnnSettings(min_face=60)).detect(small) == []
    assert len(Mtcnn(CPU, MtcnnSettings(min_face=16)).detect(small)) == 1


def test_mtcnn_returns_faint_faces_only_without_a_clear_one() -> None:
    small = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((300, 300)))
    canvas = np.zeros((512, 820, 3), dtype=np.uint8)
    canvas[:300, :300] = small
    canvas[:, 300:812] = skimage.data.astronaut()
    low, high = sorted(face.score for face in Mtcnn(CPU).detect(canvas))
    between = Mtcnn(CPU, MtcnnSettings(final_score=(low + high) / 2))
    assert [face.score for face in between.detect(canvas)] == [high]
    none_clear = Mtcnn(CPU, MtcnnSettings(final_score=1.0))
    assert len(none_clear.detect(canvas)) == 2
    assert Mtcnn(CPU, MtcnnSettings(final_score=1.0, faint_score=1.0)).detect(canvas) == []


def test_an_invalid_yunet_file_raises_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        YuNet(tmp_path / "missing.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError):
        YuNet(tmp_path / "broken.onnx")


def test_suppression_keeps_the_best_of_overlapping_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60], [2, 2, 5, 5]], dtype=float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert suppress(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert suppress_by_smaller(boxes, scores, 0.5).tolist() == [1, 2]
    assert suppress(boxes[:0], scores[:0], 0.5).tolist() == []


def test_suppression_compares_boxes_of_one_group_only() -> None:
    """With many boxes, some of them left of and above the image, as a loop over all pairs."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(-30, 120, (300, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 60, (300, 2))], axis=1)
    scores, groups = rng.uniform(0.6, 1.0, 300), rng.integers(0, 4, 300)
    kept: list[int] = []
    for row in np.argsort(-scores):
        if all(groups[row] != groups[k] or overlap(boxes[row], boxes[k]) <= 0.5 for k in kept):
            kept.append(int(row))
    assert suppress(boxes, scores, 0.5, groups).tolist() == kept
    assert 10 < len(kept) < 290


def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0.0)))
    whole = sum(float(np.prod(box[2:] - box[:2])) for box in (a, b)) - shared
    return shared / whole
