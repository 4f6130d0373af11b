"""Measures the recall, false detections and duration of MTCNN with and without faint faces.

    python -m training.faces.detector_recall ../shared/data/train-faces

Held-out crops of six sizes are pasted, with soft edges, into photos of scikit-image that show no
face. A face is found if the mean landmark error is below 0.3 of the eye distance. False detections
are counted in photos and textures without a face. Both detectors run on each image in turn.
"""

import csv
import tarfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.random import Generator
from skimage import data as skimage_data

from app.faces.pipeline.mtcnn import Mtcnn, MtcnnSettings
from app.faces.pipeline.types import Detection, Image, Points

SIZES = (30, 40, 60, 90, 130, 200)
"""Geometric mean of the box's sides, pixels."""

_FACE_IN_CROP = 98.0  # the same measure in a crop of 160 pixels
_SHAPE = (480, 640)
_FACELESS = ("coffee", "chelsea", "rocket", "coins", "brick", "grass", "gravel", "page", "moon")
_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo with one face; `landmarks` has shape (5, 2), `size` is one of SIZES."""

    image: Image
    landmarks: Points
    size: int


def main(
    data: Annotated[Path, typer.Argument(help="Folder with index.csv and crop shards.")],
    crops: Annotated[int, typer.Option(help="Number of held-out crops.")] = 2000,
) -> None:
    """Print recall by face size, false detections, and the median duration of a detection."""
    rng = np.random.default_rng(5)
    detectors = {
        "clear only": Mtcnn(["CPUExecutionProvider"], MtcnnSettings(faint_score=0.8)),
        "with faint": Mtcnn(["CPUExecutionProvider"]),
    }
    cv2.setNumThreads(1)
    hits: dict[str, list[tuple[int, bool]]] = {name: [] for name in detectors}
    spent: dict[str, list[float]] = {name: [] for name in detectors}
    for number, (row, encoded) in enumerate(read_held_out(data, crops, rng)):
        sample = _paste(row, encoded, SIZES[number % len(SIZES)], rng)
        for name, detector in detectors.items():
            began = time.perf_counter()
            found = detector.detect(sample.image)
            spent[name].append(time.perf_counter() - began)
            hits[name].append((sample.size, _hit(found, sample.landmarks)))
    faceless = list(_faceless(rng))
    for name, detector in detectors.items():
        recall = {
            size: float(np.mean([hit for of, hit in hits[name] if of == size])) for size in SIZES
        }
        total = float(np.mean([hit for _, hit in hits[name]]))
        false = sum(len(detector.detect(image)) for image in faceless)
        print(
            f"{name}: recall {total:.4f}",
            {size: round(value, 3) for size, value in recall.items()},
            f"{1000 * float(np.median(spent[name])):.1f} ms,",
            f"{false} false detections in {len(faceless)} images",
        )


def read_held_out(folder: Path, number: int, rng: Generator) -> list[tuple[dict[str, str], bytes]]:
    """Index rows and encoded crops, chosen at random, without the video frames of dfdc."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] != "dfdc"]
    rows = [row for row in rows if zlib.crc32((row["identity"] or row["file"]).encode()) % 8 == 0]
    chosen = {rows[i]["file"]: rows[i] for i in rng.permutation(len(rows))[:number]}
    found = []
    for shard in sorted({row["shard"] for row in chosen.values()}):
        with tarfile.open(folder / shard) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                row = chosen.get(Path(member.name).name)
                if content is not None and row is not None:
                    found.append((row, content.read()))
    return found


def _paste(row: dict[str, str], encoded: bytes, size: int, rng: Generator) -> Sample:
    crop = cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    assert crop is not None, f"{row['file']} is not a readable image"
    side = max(8, round(crop.shape[0] * size / _FACE_IN_CROP))
    scale = side / crop.shape[0]
    smooth = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    resized = cv2.resize(crop, (side, side), interpolation=smooth)
    photo = _background(rng).astype(np.float64)
    top, left = (int(rng.integers(0, length - side + 1)) for length in _SHAPE)
    edge = max(2, round(0.06 * side))
    ramp = np.minimum(np.minimum(np.arange(side), np.arange(side)[::-1]) / edge, 1.0)
    weight = np.minimum(ramp[:, None], ramp[None])[:, :, None]
    region = photo[top : top + side, left : left + side]
    region[:] = region * (1.0 - weight) + resized * weight
    photo += rng.normal(0.0, 2.0, photo.shape)
    points = np.array([[float(row[f"{name}_{axis}"]) for axis in "xy"] for name in _POINTS])
    landmarks = (points + 0.5) * scale - 0.5 + [left, top]
    return Sample(np.clip(photo, 0, 255).astype(np.uint8), landmarks, size)


def _background(rng: Generator) -> Image:
    name = _FACELESS[int(rng.integers(len(_FACELESS)))]
    picture = cv2.resize(faceless_picture(name), (900, 700))
    height, width = _SHAPE
    top, left = int(rng.integers(0, 700 - height)), int(rng.integers(0, 900 - width))
    part = picture[top : top + height, left : left + width]
    return np.asarray(cv2.GaussianBlur(part, (0, 0), float(rng.uniform(1, 8))), dtype=np.uint8)


def faceless_picture(name: str) -> Image:
    """A photo of scikit-image as RGB."""
    image = np.asarray(getattr(skimage_data, name)(), dtype=np.uint8)
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def _faceless(rng: Generator) -> list[Image]:
    """Whole photos, random squares of them, and random textures."""
    height, width = _SHAPE
    images = []
    for name in _FACELESS:
        picture = faceless_picture(name)
        images.append(cv2.resize(picture, (width, height)))
        for _ in range(7):
            side = int(rng.integers(min(picture.shape[:2]) // 3, min(picture.shape[:2])))
            top, left = (int(rng.integers(0, length - side)) for length in picture.shape[:2])
            images.append(cv2.resize(picture[top : top + side, left : left + side], (480, 480)))
    for _ in range(48):
        texture = np.full((height, width, 3), rng.uniform(60, 200))
        for octave in range(6):
            coarse = rng.normal(0.0, 1.0, (3 * 2**octave, 4 * 2**octave, 3))
            smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            texture += smooth * rng.uniform(5, 40)
        images.append(np.clip(texture, 0, 255).astype(np.uint8))
    return [np.ascontiguousarray(image, dtype=np.uint8) for image in images]


def _hit(found: list[Detection], landmarks: Points) -> bool:
    eyes = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    errors = [np.linalg.norm(face.landmarks - landmarks, axis=1).mean() for face in found]
    return bool(min(errors, default=np.inf) < 0.3 * eyes)


if __name__ == "__main__":
    typer.run(main)
