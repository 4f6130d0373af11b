"""Decode, detect, align, judge: the steps of the pipeline one by one."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from app.errors import ModelError
from app.faces.pipeline.align import box_margin_crop, five_point_crop, similarity_transform, warp
from app.faces.pipeline.decode import ImageLimits, decode
from app.faces.pipeline.detect import Detector, suppress
from app.faces.pipeline.mtcnn import Mtcnn, MtcnnSettings
from app.faces.pipeline.quality import QualityLimits, assess, turn_of
from app.faces.pipeline.types import Box, Detection, Points
from app.faces.pipeline.yunet import YuNet
from app.inference.session import OnnxSession, choose_providers
from tests.conftest import SHARED, encode

CPU = ["CPUExecutionProvider"]
YUNET = SHARED / "models" / "face_detection_yunet_2026may.onnx"
FRONTAL: Points = np.array([[30.0, 40], [70, 40], [50, 60], [35, 80], [65, 80]])


@pytest.fixture(scope="module", params=["mtcnn", "yunet"])
def detector(request: pytest.FixtureRequest) -> Detector:
    """Each detector behind the one protocol."""
    if request.param == "mtcnn":
        return Mtcnn(CPU)
    if not YUNET.exists():
        pytest.skip("YuNet's ONNX file belongs to others; it is tested where it lies beside us")
    return YuNet(YUNET)


def test_a_similarity_transform_is_recovered_exactly() -> None:
    turn = np.deg2rad(25)
    linear = 1.7 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = FRONTAL @ linear.T + [12.0, -7.0]
    found = similarity_transform(FRONTAL, moved)
    assert found[:, :2] == pytest.approx(linear)
    assert found[:, 2] == pytest.approx([12.0, -7.0])


def test_coinciding_landmarks_have_no_transform() -> None:
    with pytest.raises(ModelError):
        similarity_transform(np.zeros((5, 2)), FRONTAL)


@pytest.mark.parametrize("scale", [0.11, 0.23, 0.4, 0.8, 1.6])
def test_landmarks_land_on_the_template_at_any_scale(scale: float) -> None:
    """A dot painted where a landmark is lies on the template's place after the crop."""
    template = FRONTAL / 100.0
    size = 112
    factor = template[1, 0] * size / 70.0 / scale
    landmarks = FRONTAL * factor + 20.0
    photo = np.zeros((int(120 * factor) + 40, int(120 * factor) + 40, 3), dtype=np.uint8)
    x, y = np.rint(landmarks[2]).astype(int)
    radius = max(2, round(2 / scale))
    photo[y - radius : y + radius + 1, x - radius : x + radius + 1] = 255
    crop = five_point_crop(photo, landmarks, template, size)
    rows, columns = np.nonzero(crop[:, :, 0] > 100)
    assert columns.mean() == pytest.approx(template[2, 0] * size, abs=1.0)
    assert rows.mean() == pytest.approx(template[2, 1] * size, abs=1.0)


def test_a_strong_reduction_averages_instead_of_aliasing() -> None:
    """A fine checkerboard becomes grey, not another checkerboard."""
    board = np.indices((800, 800)).sum(axis=0) % 2 * 255
    photo = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    crop = warp(photo, np.array([[0.1, 0, 0], [0, 0.1, 0]]), 80)
    inner = crop[5:-5, 5:-5].astype(float)
    assert inner.mean() == pytest.approx(127.5, abs=2)
    assert inner.std() < 10


def test_a_box_with_margin_becomes_a_centred_square() -> None:
    photo = np.zeros((200, 200, 3), dtype=np.uint8)
    photo[90:110, 90:110] = 255
    crop = box_margin_crop(photo, Box(80, 60, 40, 80), 0.0, 80)
    rows, columns = np.nonzero(crop[:, :, 0] > 100)
    assert rows.mean() == pytest.approx(39.5, abs=1)
    assert columns.mean() == pytest.approx(39.5, abs=1)


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


def test_no_detector_finds_a_face_in_a_cup(detector: Detector) -> None:
    assert detector.detect(skimage.data.coffee()) == []
    assert detector.detect(np.zeros((64, 64, 3), dtype=np.uint8)) == []
    assert detector.detect(np.zeros((5, 300, 3), dtype=np.uint8)) == []


def test_faces_come_largest_first(detector: Detector) -> None:
    small = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((300, 300)))
    canvas = np.zeros((512, 820, 3), dtype=np.uint8)
    canvas[:300, :300] = small
    canvas[:, 300:812] = skimage.data.astronaut()
    faces = detector.detect(canvas)
    assert len(faces) == 2
    assert faces[0].box.area > faces[1].box.area
    assert faces[0].box.x > 300


def test_mtcnn_ignores_faces_below_its_smallest() -> None:
    small = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((128, 128)))
    assert Mtcnn(CPU, MtcnnSettings(min_face=60)).detect(small) == []
    assert len(Mtcnn(CPU, MtcnnSettings(min_face=16)).detect(small)) == 1


def test_a_file_that_is_no_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        YuNet(tmp_path / "missing.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError):
        YuNet(tmp_path / "broken.onnx")
    with pytest.raises(ModelError):
        OnnxSession(b"no graph", CPU)


def test_providers() -> None:
    assert choose_providers("cpu") == CPU
    assert choose_providers("auto")[-1] == CPU[0]


def test_suppression_keeps_the_best_of_each_place() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60], [2, 2, 5, 5]], dtype=float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert suppress(boxes, scores, 0.5, by_smaller=False) == [1, 2, 3]
    assert suppress(boxes, scores, 0.5, by_smaller=True) == [1, 2]


def test_the_preview_is_small_and_the_photo_is_whole() -> None:
    large = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((2048, 1536)))
    photo = decode(encode(large, quality=90), ImageLimits(preview_side=512))
    assert (photo.width, photo.height) == (2048, 1536)
    assert photo.preview.shape == (384, 512, 3)
    assert photo.scale == pytest.approx(0.25)
    assert photo.full().shape == (1536, 2048, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16", "CMYK"])
def test_every_kind_of_pixel_becomes_rgb(mode: str) -> None:
    source = Image.fromarray(skimage.data.astronaut())
    if mode == "I;16":
        grey = np.asarray(source.convert("L")).astype(np.uint16) * 257
        data = encode(Image.fromarray(grey), "PNG")
    else:
        data = encode(source.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    pixels = decode(data, ImageLimits()).full()
    assert pixels.shape == (512, 512, 3)
    assert pixels.dtype == np.uint8
    expected = np.asarray(source.convert("L")).mean()
    assert pixels.mean() == pytest.approx(expected, abs=12)


def test_broken_exif_does_not_cost_the_photo() -> None:
    stream = io.BytesIO()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05rubbish that is no directory"
    Image.fromarray(skimage.data.astronaut()).save(stream, "JPEG", exif=exif)
    assert decode(stream.getvalue(), ImageLimits()).width == 512


def _judge(light: float = 128, noise: float = 30, **changes: object) -> list[str]:
    rng = np.random.default_rng(0)
    crop = np.clip(rng.normal(light, noise, (112, 112, 3)), 0, 255).astype(np.uint8)
    values: dict[str, Any] = {
        "box": Box(50, 50, 100, 120),
        "landmarks": FRONTAL,
        "score": 0.99,
        **changes,
    }
    detection = Detection(**values)
    return [r.code for r in assess(detection, crop, (300, 300), QualityLimits()).reasons]


def test_each_reason_is_named() -> None:
    profile = FRONTAL.copy()
    profile[2, 0] = 75
    assert _judge() == []
    assert _judge(box=Box(50, 50, 30, 35)) == ["face_too_small"]
    assert _judge(noise=0.1) == ["blurred"]
    assert _judge(light=12, noise=10) == ["too_dark"]
    assert _judge(light=245, noise=10) == ["too_bright"]
    assert _judge(landmarks=profile) == ["extreme_pose"]
    assert _judge(score=0.5) == ["low_detection_score"]
    assert _judge(box=Box(-40, 50, 100, 120)) == ["cut_off"]
    assert _judge(box=Box(-40, 50, 30, 35), score=0.1) == [
        "face_too_small",
        "low_detection_score",
        "cut_off",
    ]


def test_turn_is_zero_from_the_front() -> None:
    assert turn_of(FRONTAL) == pytest.approx(0.0)
    assert turn_of(np.zeros((5, 2))) == float("inf")
