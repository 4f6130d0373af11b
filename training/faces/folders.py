"""Photos as most people have them, one folder an identity: found and cut as in serving."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from app.errors import SimaError
from app.faces.pipeline.align import similarity_transform, warp
from app.faces.pipeline.decode import ImageLimits, decode
from app.faces.pipeline.detect import Detector
from app.faces.pipeline.types import Image, Points
from training.faces.crops import CropSet

SIZE = 160
# The ArcFace template of 112 x 112 pixels (Deng et al. 2019), as the shards have it: 128 / 112 as
# large, with 16 pixels to spare on every side.
_ARCFACE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
TEMPLATE = _ARCFACE * (128 / 112) + 16
"""Where the five landmarks lie in a crop of SIZE x SIZE pixels."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def read_folders(folder: Path, detector: Detector) -> CropSet:
    """`folder/<identity>/<photo>`: the face nearest to the middle of every photo.

    Photos that cannot be read or show no face are counted aloud and left out. Raises ValueError
    where none is left.
    """
    files = sorted(
        file for file in folder.glob("*/*") if file.suffix.lower() in _SUFFIXES and file.is_file()
    )
    cut = partial(_cut, detector)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(tqdm(pool.map(cut, files), total=len(files), desc="finding faces"))
    kept = [(file, crop) for file, crop in zip(files, found, strict=True) if crop is not None]
    if len(kept) < len(files):
        print(f"{len(files) - len(kept)} of {len(files)} photos cannot be read or show no face")
    if not kept:
        raise ValueError(f"{folder} holds no photo with a face; expected identity/photo.jpg")
    return crop_set(
        [f"{file.parent.name}/{file.name}" for file, _ in kept],
        [file.parent.name for file, _ in kept],
        [crop for _, crop in kept],
    )


def crop_set(files: list[str], identity: list[str], crops: Iterable[Image]) -> CropSet:
    """Crops that all have their landmarks on TEMPLATE; no group, no age."""
    images = np.stack(list(crops))
    n = len(images)
    return CropSet(
        files=np.array(files),
        images=images,
        landmarks=np.repeat(TEMPLATE[None], n, axis=0),
        source=np.full(n, "folder"),
        identity=np.array(identity),
        group=np.full(n, ""),
        age=np.full(n, -1),
    )


def _cut(detector: Detector, file: Path) -> Image | None:
    try:
        photo = decode(file.read_bytes(), ImageLimits()).preview
    except SimaError:
        return None
    found = detector.detect(photo)
    if not found:
        return None
    middle = np.array([photo.shape[1], photo.shape[0]]) / 2
    central = min(found, key=lambda d: float(np.linalg.norm(d.box.centre - middle)))
    return _onto_template(photo, central.landmarks)


def _onto_template(photo: Image, landmarks: Points) -> Image:
    return warp(photo, similarity_transform(landmarks, TEMPLATE), SIZE)
