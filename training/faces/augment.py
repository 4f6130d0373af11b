"""Cuts crops with random augmentation: geometry, light, blur, compression, occlusion."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from app.faces.pipeline.align import Affine, similarity_transform, warp
from app.faces.pipeline.types import Image, Points


@dataclass(frozen=True, slots=True)
class CropSpec:
    """The crop that a network takes: `size` pixels a side, landmarks at `template`.

    `template` has shape (5, 2), as fractions of the crop.
    """

    size: int
    template: Points


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Standard deviations (`shift` to `landmark_noise`) and probabilities (`flip` to `occlusion`).

    `shift` and `landmark_noise` are fractions of the crop, `scale` is a natural logarithm,
    `rotation` is in degrees.
    """

    shift: float = 0.02
    scale: float = 0.05
    rotation: float = 4.0
    landmark_noise: float = 0.008
    flip: float = 0.5
    light: float = 0.7
    grey: float = 0.06
    blur: float = 0.12
    low_resolution: float = 0.12
    jpeg: float = 0.15
    occlusion: float = 0.1


NO_AUGMENTATION = Augmentation(*([0.0] * 11))
"""Crops exactly as the serving code does."""


def augmented_crop(
    image: Image, landmarks: Points, spec: CropSpec, augmentation: Augmentation, rng: Generator
) -> Image:
    """Crops `image` with a random alignment error, then degrades it; shape (size, size, 3).

    `landmarks` has shape (5, 2), in pixels of `image`.
    """
    crop = warp(image, _jitter(landmarks, spec, augmentation, rng), spec.size)
    if rng.random() < augmentation.flip:
        crop = np.asarray(cv2.flip(crop, 1), dtype=np.uint8)  # much faster than a NumPy copy
    if rng.random() < augmentation.light:
        crop = _relight(crop, rng)
    if rng.random() < augmentation.grey:
        crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < augmentation.low_resolution:
        crop = _shrink_and_enlarge(crop, rng)
    if rng.random() < augmentation.blur:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 1.6))
    if rng.random() < augmentation.jpeg:
        crop = _recompress(crop, rng)
    if rng.random() < augmentation.occlusion:
        crop = _occlude(crop, rng)
    return np.asarray(crop, dtype=np.uint8)


def _jitter(
    landmarks: Points, spec: CropSpec, augmentation: Augmentation, rng: Generator
) -> Affine:
    size = spec.size
    noisy = landmarks + rng.normal(0.0, augmentation.landmark_noise * size, landmarks.shape)
    angle = np.deg2rad(rng.normal(0.0, augmentation.rotation))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([0.5, 0.5])
    moved = (spec.template - middle) @ turn.T * np.exp(rng.normal(0.0, augmentation.scale))
    target = (moved + middle + rng.normal(0.0, augmentation.shift, 2)) * size
    return similarity_transform(noisy, target)


def _relight(crop: Image, rng: Generator) -> Image:
    """Changes gamma, contrast, brightness and colour cast with one lookup table per channel."""
    levels = np.linspace(0.0, 1.0, 256) ** np.exp(rng.normal(0.0, 0.25))
    levels = (levels - 0.5) * np.exp(rng.normal(0.0, 0.2)) + 0.5 + rng.normal(0.0, 0.08)
    cast = np.exp(rng.normal(0.0, 0.06, 3))
    table = np.clip(levels[:, None] * cast * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(crop, table.reshape(1, 256, 3)), dtype=np.uint8)


def _shrink_and_enlarge(crop: Image, rng: Generator) -> NDArray[np.uint8]:
    size = crop.shape[0]
    small = int(rng.integers(size // 4, size * 3 // 4))
    shrunk = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, dtype=np.uint8)


def _recompress(crop: Image, rng: Generator) -> Image:
    quality = int(rng.integers(25, 90))
    _, encoded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)


def _occlude(crop: Image, rng: Generator) -> Image:
    size = crop.shape[0]
    height, width = rng.integers(size // 8, size * 2 // 5, 2)
    top, left = rng.integers(0, size - height), rng.integers(0, size - width)
    hidden = crop.copy()
    hidden[top : top + height, left : left + width] = rng.integers(0, 256, 3)
    return hidden
