"""Rotation: turned images, mapped detections, and faces found only after a turn."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from app.faces.pipeline.decode import ImageLimits
from app.faces.pipeline.embed import load_embedder
from app.faces.pipeline.mtcnn import Mtcnn
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.quality import QualityLimits
from app.faces.pipeline.quality_model import QualityModel
from app.faces.pipeline.rotation import turn_back, turned
from app.faces.pipeline.types import Box, Detection
from app.timings import Timings
from app.vectors import cosine
from tests.conftest import encode
from tests.faces.pipeline.faces import FRONTAL
from tests.models import SHIPPED

CPU = ["CPUExecutionProvider"]


@pytest.fixture(scope="module")
def pipeline() -> FacePipeline:
    """MTCNN and the shipped model, with a small preview, so that both crop sources are used."""
    embedder, limits = load_embedder(SHIPPED, CPU), ImageLimits(preview_side=640)
    return FacePipeline(Mtcnn(CPU), embedder, limits, QualityLimits(), QualityModel(CPU))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_detection_is_mapped_back_to_the_original_pixels(quarters: int) -> None:
    """The landmarks are the brightest pixels of a turned image."""
    image = np.zeros((100, 130, 3), dtype=np.uint8)
    for level, (x, y) in enumerate(FRONTAL.astype(int)):
        image[y, x] = 200 + level
    image[20:60, 10:40, 2] = 7  # the box: x 10, y 20, width 30, height 40
    view = turned(image, quarters)
    points = [np.argwhere(view[:, :, 0] == 200 + level)[0][::-1] for level in range(5)]
    rows, columns = np.nonzero(view[:, :, 2] == 7)
    left, top = int(columns.min()), int(rows.min())
    box = Box(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
    found = turn_back(Detection(box, np.array(points, dtype=float), 0.9), quarters, 130, 100)
    assert found.landmarks == pytest.approx(FRONTAL)
    assert found.box == Box(10, 20, 30, 40)
    assert found.score == 0.9


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("name", ["biden", "obama2", "obama3"])
def test_a_turned_portrait_gives_the_same_face(
    pipeline: FacePipeline, portrait_files: dict[str, bytes], name: str, quarters: int
) -> None:
    upright = np.asarray(Image.open(io.BytesIO(portrait_files[name])).convert("RGB"))
    [expected] = pipeline.analyze(encode(upright, "PNG"), Timings()).faces
    sent = encode(np.rot90(upright, -quarters), "PNG")
    analysis = pipeline.analyze(sent, Timings(), rotate=True)
    assert analysis.rotation == 90 * quarters
    [face] = analysis.faces
    height, width = upright.shape[:2]
    assert (analysis.width, analysis.height) == ((width, height), (height, width))[quarters % 2]
    # Turning the original by -quarters is turning it by 4 - quarters, and back.
    size = (analysis.width, analysis.height)
    mapped = turn_back(expected.detection, quarters, *size)
    assert face.detection.landmarks == pytest.approx(mapped.landmarks, abs=0.02 * max(size))
    assert face.detection.box.x == pytest.approx(mapped.box.x, abs=0.02 * max(size))
    assert face.detection.box.y == pytest.approx(mapped.box.y, abs=0.02 * max(size))
    vectors = pipeline.embed([expected, face], Timings())
    assert cosine(vectors[0], vectors[1]) > 0.97


def test_a_face_that_was_detected_upside_down_is_turned(
    pipeline: FacePipeline, portrait_files: dict[str, bytes]
) -> None:
    """MTCNN finds this portrait upside down with a score of 0.99 and wrong landmarks."""
    upright = np.asarray(Image.open(io.BytesIO(portrait_files["obama"])).convert("RGB"))
    sent = encode(np.rot90(upright, 2), "PNG")
    [misplaced] = pipeline.analyze(sent, Timings()).faces
    assert misplaced.quality.score < 0.3
    analysis = pipeline.analyze(sent, Timings(), rotate=True)
    assert analysis.rotation == 180
    [expected] = pipeline.analyze(encode(upright, "PNG"), Timings()).faces
    vectors = pipeline.embed([expected, analysis.faces[0]], Timings())
    assert cosine(vectors[0], vectors[1]) > 0.97


def test_an_upright_portrait_is_not_turned(
    pipeline: FacePipeline, portrait_files: dict[str, bytes]
) -> None:
    analysis = pipeline.analyze(portrait_files["biden"], Timings(), rotate=True)
    assert analysis.rotation == 0
    assert len(analysis.faces) == 1


def test_landmarks_are_pixels_of_the_image_that_is_upright_by_exif(
    pipeline: FacePipeline, portrait_files: dict[str, bytes]
) -> None:
    """A photo on its side whose EXIF block states that it is upright, as some cameras write."""
    upright = Image.open(io.BytesIO(portrait_files["biden"])).convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3  # the stored pixels are turned by 180 degrees
    stream = io.BytesIO()
    upright.rotate(90, expand=True).rotate(180).save(stream, "JPEG", exif=exif)
    analysis = pipeline.analyze(stream.getvalue(), Timings(), rotate=True)
    assert analysis.rotation == 270
    assert (analysis.width, analysis.height) == (upright.height, upright.width)
    left, right = analysis.faces[0].detection.landmarks[:2]
    assert left[1] > right[1]  # turned counterclockwise, the viewer's left eye is the lower one


def test_an_image_without_a_face_keeps_no_face(pipeline: FacePipeline) -> None:
    blank = np.zeros((200, 300, 3), dtype=np.uint8)
    analysis = pipeline.analyze(encode(blank), Timings(), rotate=True)
    assert (analysis.faces, analysis.rotation) == ((), 0)
