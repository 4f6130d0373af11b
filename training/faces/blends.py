"""Faces of nobody: blends of two aligned faces, which the teacher can judge like any other.

A student that only sees the same photos again and again learns them by heart. A blend of two
faces is a person of its own to the teacher (its similarity to either parent is about 0.4), and
there is no end of them: every batch brings new ones.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from app.faces.pipeline.align import similarity_transform, warp
from app.faces.pipeline.types import Image, Points
from training.faces.crops import CropSet

_MIRRORED = [1, 0, 2, 4, 3]  # the left eye of the mirror image is the right eye of the photo
_COARSE = 4  # control points a side of the smooth random fields
_BEND = 0.018  # standard deviation of the warp, as a fraction of the crop


@dataclass(frozen=True, slots=True)
class Blend:
    """A new face: RGB (size, size, 3) uint8, and its five landmarks in pixels."""

    image: Image
    landmarks: Points


def blend(crops: CropSet, rng: Generator) -> Blend:
    """Two random faces mixed by a smooth random mask, bent a little, mirrored half the time."""
    a, b = rng.choice(len(crops), 2, replace=False)
    size = crops.images.shape[1]
    onto = similarity_transform(crops.landmarks[b], crops.landmarks[a])
    other = warp(crops.images[b], onto, size)
    mask = _smooth(rng.uniform(0.05, 0.95, (_COARSE, _COARSE)), size)
    share = np.clip(mask, 0.0, 1.0)[..., None]  # cubic interpolation overshoots
    image = (other + share * (crops.images[a].astype(np.float32) - other)).astype(np.uint8)
    image, landmarks = bend(image, crops.landmarks[a], _BEND * size, rng)
    if rng.random() < 0.5:
        return mirrored(Blend(image, landmarks))
    return Blend(image, landmarks)


def bend(image: Image, landmarks: Points, strength: float, rng: Generator) -> tuple[Image, Points]:
    """Move the pixels by a smooth random field of `strength` pixels, and the landmarks along."""
    size = image.shape[0]
    field = [_smooth(rng.normal(0.0, strength, (_COARSE, _COARSE)), size) for _ in range(2)]
    down, right = np.indices((size, size), dtype=np.float32)
    bent = cv2.remap(
        image, right + field[0], down + field[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    at = np.clip(np.rint(landmarks).astype(int), 0, size - 1)
    moved = landmarks - np.stack([part[at[:, 1], at[:, 0]] for part in field], axis=1)
    return np.asarray(bent, dtype=np.uint8), moved


def mirrored(face: Blend) -> Blend:
    """The mirror image, its landmarks in the same order as before (left is the viewer's left)."""
    landmarks = face.landmarks[_MIRRORED].copy()
    landmarks[:, 0] = face.image.shape[1] - 1 - landmarks[:, 0]
    return Blend(np.ascontiguousarray(face.image[:, ::-1]), landmarks)


def _smooth(coarse: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    enlarged = cv2.resize(coarse.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, dtype=np.float32)
