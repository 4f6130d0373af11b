"""Makes a set of everyday photos for benchmarks: JPEGs of 0.2 to 4 megapixels with faces.

There is no public set of such photos with a licence to pass on, so they are assembled: the
background is a photo of scikit-image without a face, enlarged by 1 to 2 and repeated as mirror
images, so that it has details of all sizes; one to three held-out face crops are pasted in with
soft edges, each 15 to 70 % of the shorter side; noise (a standard deviation of 2) is added.
Sizes are distributed evenly in the logarithm, shapes are those of cameras and phones, upright and
across. The same seed gives the same photos.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from app.faces.pipeline.types import Image
from training.faces.detector_recall import faceless_picture, read_held_out

_FACELESS = ("coffee", "chelsea", "rocket", "coins", "brick", "grass", "gravel", "page", "moon")
_ASPECTS = (4 / 3, 3 / 2, 3 / 4, 2 / 3, 16 / 9)  # width by height
_MEGAPIXELS = (0.2, 4.0)
_FACE = (0.15, 0.7)  # of the shorter side
_QUALITY = 90


def everyday_photos(crops: Path, number: int, seed: int = 3) -> list[bytes]:
    """Returns JPEG files; `crops` is the folder with `index.csv` and the shards of face crops."""
    rng = np.random.default_rng(seed)
    faces = [encoded for _, encoded in read_held_out(crops, 3 * number, rng)]
    return [_photo(faces, _ASPECTS[i % len(_ASPECTS)], rng) for i in range(number)]


def _photo(faces: list[bytes], aspect: float, rng: Generator) -> bytes:
    pixels = 1e6 * np.exp(rng.uniform(*np.log(_MEGAPIXELS)))
    width, height = round(np.sqrt(pixels * aspect)), round(np.sqrt(pixels / aspect))
    photo = _background(width, height, rng).astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        side = round(min(width, height) * np.exp(rng.uniform(*np.log(_FACE))))
        _paste(photo, faces[int(rng.integers(len(faces)))], side, rng)
    photo += rng.normal(0.0, 2.0, photo.shape)
    bgr = np.clip(photo, 0, 255).astype(np.uint8)[:, :, ::-1]
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return encoded.tobytes()


def _background(width: int, height: int, rng: Generator) -> Image:
    scale = float(rng.uniform(1.0, 2.0))
    picture = faceless_picture(_FACELESS[int(rng.integers(len(_FACELESS)))])
    enlarged = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    across = np.concatenate([enlarged, enlarged[:, ::-1]], axis=1)
    tile = np.concatenate([across, across[::-1]])
    top, left = (int(rng.integers(length)) for length in tile.shape[:2])
    rows, columns = np.arange(top, top + height), np.arange(left, left + width)
    return np.asarray(tile[rows % len(tile)][:, columns % tile.shape[1]], dtype=np.uint8)


def _paste(photo: NDArray[np.float32], encoded: bytes, side: int, rng: Generator) -> None:
    crop = cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    if crop is None:
        raise ValueError("a face crop is not a readable image")
    smooth = cv2.INTER_AREA if side < len(crop) else cv2.INTER_CUBIC
    face = cv2.resize(crop, (side, side), interpolation=smooth).astype(np.float32)
    top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
    edge = max(2, round(0.06 * side))
    ramp = np.minimum(np.minimum(np.arange(side), np.arange(side)[::-1]) / edge, 1.0)
    weight = np.minimum(ramp[:, None], ramp[None])[:, :, None].astype(np.float32)
    region = photo[top : top + side, left : left + side]
    region[:] = region * (1 - weight) + face * weight
