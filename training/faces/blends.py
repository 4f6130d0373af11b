"""Generates blends: synthetic faces mixed from two aligned faces, for distillation.

A student that is trained on the same photos for many epochs memorises them. The teacher embeds a
blend of two faces as a different person (similarity to either parent about 0.4), and the number
of blends is unlimited, so every batch has new ones.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from app.faces.pipeline.align import similarity_transform, warp
from app.faces.pipeline.types import Image, Points
from training.faces.crops import CropSet

_MIRRORED = [1, 0, 2, 4, 3]  # mirroring exchanges left and right landmarks
_COARSE = 4  # control points per side of the smooth random fields
_BEND = 0.018  # standard deviation of the warp, as a fraction of the crop


@dataclass(frozen=True, slots=True)
class Blend:
    """A generated face: RGB (size, size, 3) uint8, and landmarks (5, 2) in pixels."""

    image: Image
    landmarks: Points


class Parents:
    """Chooses the two faces of each blend."""

    def __init__(self, crops: CropSet, balanced: bool = False) -> None:
        """Any two crops, or, if `balanced`, as many of each group of people.

        The groups are those that `crops` name, and the crops without a group together.
        """
        group = np.where(crops.group == "other", "", crops.group)
        named = [np.flatnonzero(group == name) for name in np.unique(group)]
        everything = [np.arange(len(crops))]
        self._strata = named if balanced else everything
        self._all = everything[0]

    def draw(self, rng: Generator) -> tuple[int, int]:
        """Two rows: the first of a random group, the second half the time of the same group."""
        stratum = self._strata[int(rng.integers(len(self._strata)))]
        first = int(rng.choice(stratum))
        others = stratum if rng.random() < 0.5 and len(stratum) > 1 else self._all
        second = first
        while second == first:
            second = int(rng.choice(others))
        return first, second


def blend(crops: CropSet, parents: Parents, rng: Generator) -> Blend:
    """Two faces mixed by a smooth random mask, warped slightly; half of them mirrored."""
    a, b = parents.draw(rng)
    size = crops.images.size
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
    """Warp an image and its landmarks by a smooth random field.

    `strength` is the standard deviation of the displacement at the control points, in pixels.
    """
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
    """The mirror image; the order of the landmarks is kept (left is the viewer's left)."""
    landmarks = face.landmarks[_MIRRORED].copy()
    landmarks[:, 0] = face.image.shape[1] - 1 - landmarks[:, 0]
    return Blend(np.ascontiguousarray(face.image[:, ::-1]), landmarks)


def _smooth(coarse: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    enlarged = cv2.resize(coarse.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, dtype=np.float32)
