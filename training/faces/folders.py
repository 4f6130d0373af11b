"""Reads photos from one folder per identity; detects and aligns faces as in serving."""

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
from training.faces.images import Images

SIZE = 160
# The ArcFace template for 112 x 112 pixels (Deng et al. 2019). The crops of the shards are aligned
# to it at 128 / 112 of its size, with a margin of 16 pixels on every side.
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
"""The five landmarks in a crop of SIZE x SIZE pixels, shape (5, 2)."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def read_folders(folder: Path, detector: Detector) -> CropSet:
    """Crops of the face nearest to the centre of every photo `folder/<identity>/<file>`.

    Photos that cannot be read or show no face are skipped, and their number is printed. Raises
    ValueError if no crop is left.
    """
    files = sorted(
        file for file in folder.glob("*/*") if file.suffix.lower() in _SUFFIXES and file.is_file()
    )
    cut = partial(_cut, detector)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(tqdm(pool.map(cut, files), total=len(files), desc="finding faces"))
    kept = [(file, crop) for file, crop in zip(files, found, strict=True) if crop is not None]
    if len(kept) < len(files):
        print(
            f"skipped {len(files) - len(kept)} of {len(files)} photos: unreadable or without a face"
        )
    if not kept:
        raise ValueError(f"no photo with a face in {folder}; expected <identity>/<photo>.jpg")
    return crop_set(
        [f"{file.parent.name}/{file.name}" for file, _ in kept],
        [file.parent.name for file, _ in kept],
        [crop for _, crop in kept],
    )


def crop_set(files: list[str], identity: list[str], crops: Iterable[Image]) -> CropSet:
    """A CropSet of crops aligned to TEMPLATE, without groups and ages."""
    images = np.stack(list(crops))
    n = len(images)
    return CropSet(
        files=np.array(files),
        images=Images(images),
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
    centre = np.array([photo.shape[1], photo.shape[0]]) / 2
    central = min(found, key=lambda d: float(np.linalg.norm(d.box.centre - centre)))
    return _align(photo, central.landmarks)


def _align(photo: Image, landmarks: Points) -> Image:
    return warp(photo, similarity_transform(landmarks, TEMPLATE), SIZE)
