"""Crops faces from images and aligns them to the embedder's input.

Training and serving use the same functions, so that both see the same crops.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.faces.pipeline.types import Box, Image, Points

Affine = NDArray[np.float64]
"""Affine transform from image pixels to crop pixels, shape (2, 3)."""


def similarity_transform(source: Points, target: Points) -> Affine:
    """Returns the least-squares rotation, uniform scale and translation of `source` to `target`.

    Closed form for two dimensions without reflection (Umeyama 1991). Raises ModelError if all
    source points coincide.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    s, t = source - source_mean, target - target_mean
    spread = float((s * s).sum())
    if spread <= 0.0:
        raise ModelError("the five landmarks coincide, so the face cannot be aligned")
    a = float((s * t).sum()) / spread
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / spread
    linear = np.array([[a, -b], [b, a]])
    return np.hstack([linear, (target_mean - linear @ source_mean)[:, None]])


def warp(image: Image, transform: Affine, size: int) -> Image:
    """Resamples `image` under `transform` to a size x size crop, black outside the image.

    Below half the scale, the image is reduced by area averaging first, because bilinear sampling
    would alias.
    """
    scale = max(math.hypot(*transform[:, 0]), math.hypot(*transform[:, 1]))
    if scale < 0.5:
        image, transform = _shrink_first(image, transform, size, int(1.0 / scale))
    warped = cv2.warpAffine(image, transform, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, dtype=np.uint8)


def five_point_crop(image: Image, landmarks: Points, template: Points, size: int) -> Image:
    """Returns a size x size crop with the landmarks at `template` (fractions of the crop)."""
    return warp(image, similarity_transform(landmarks, template * size), size)


def box_margin_crop(
    image: Image, box: Box, margin: float, size: int, stretch: bool = False
) -> Image:
    """Returns a size x size crop around the box, whose longer side is enlarged by `margin`.

    The crop is a square with the centre of the box. With `stretch`, each side is enlarged by
    `margin` and the rectangle is resized to the square, as in FaceNet's training.
    """
    sides = np.array([box.width, box.height]) * (1.0 + margin)
    if not stretch:
        sides[:] = sides.max()
    scale = size / sides
    corner = box.centre - sides / 2
    return warp(image, np.hstack([np.diag(scale), (-corner * scale)[:, None]]), size)


def _shrink_first(image: Image, transform: Affine, size: int, factor: int) -> tuple[Image, Affine]:
    """Cuts out the region of the crop, reduces it by the integer `factor`, adapts `transform`."""
    inverse = cv2.invertAffineTransform(transform)
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], dtype=np.float64)
    region_corners = corners @ inverse[:, :2].T + inverse[:, 2]
    height, width = image.shape[:2]
    low = np.clip(
        np.floor(region_corners.min(axis=0)).astype(int) - factor, 0, [width - 1, height - 1]
    )
    high = np.clip(
        np.ceil(region_corners.max(axis=0)).astype(int) + factor, low + 1, [width, height]
    )
    region = image[low[1] : high[1], low[0] : high[0]]
    out = (max(1, region.shape[1] // factor), max(1, region.shape[0] // factor))
    small = cv2.resize(region, out, interpolation=cv2.INTER_AREA)
    ratio = np.array([region.shape[1] / out[0], region.shape[0] / out[1]])
    # Pixel p of the reduced image is at low + (p + 0.5) * ratio - 0.5 in the original image.
    linear = transform[:, :2] * ratio
    offset = transform[:, 2] + transform[:, :2] @ (low + 0.5 * ratio - 0.5)
    return np.asarray(small, dtype=np.uint8), np.hstack([linear, offset[:, None]])
