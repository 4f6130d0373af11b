"""Cut a face out of a photo so that it lies where the embedder learned to expect it.

Training and serving cut with the same functions, so a crop means the same in both.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.faces.pipeline.types import Box, Image, Points

Affine = NDArray[np.float64]
"""Shape (2, 3), maps photo pixels to crop pixels."""


def similarity_transform(source: Points, target: Points) -> Affine:
    """The rotation, uniform scale and shift that best move `source` onto `target`.

    Least squares without reflection, Umeyama 1991, in its closed form for the plane.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    s, t = source - source_mean, target - target_mean
    spread = float((s * s).sum())
    if spread <= 0.0:
        raise ModelError("the five landmarks coincide; no transform exists")
    a = float((s * t).sum()) / spread
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / spread
    linear = np.array([[a, -b], [b, a]])
    return np.hstack([linear, (target_mean - linear @ source_mean)[:, None]])


def warp(image: Image, transform: Affine, size: int) -> Image:
    """Resample `image` under `transform` to a size x size crop; beyond the edge it is black.

    A strong reduction is done by area averaging first, since bilinear sampling would alias.
    """
    scale = max(math.hypot(*transform[:, 0]), math.hypot(*transform[:, 1]))
    if scale < 0.5:
        image, transform = _shrink_first(image, transform, size, int(1.0 / scale))
    warped = cv2.warpAffine(image, transform, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, dtype=np.uint8)


def five_point_crop(image: Image, landmarks: Points, template: Points, size: int) -> Image:
    """Crop of size x size pixels whose landmarks lie on `template` (fractions of the crop)."""
    return warp(image, similarity_transform(landmarks, template * size), size)


def box_margin_crop(
    image: Image, box: Box, margin: float, size: int, stretch: bool = False
) -> Image:
    """The box enlarged by `margin` (a fraction of its longer side, both sides together).

    The square around the box's centre is resized to size x size. With `stretch` each side grows
    by its own share, and the rectangle is stretched to the square, as FaceNet's crops were.
    """
    sides = np.array([box.width, box.height]) * (1.0 + margin)
    if not stretch:
        sides[:] = sides.max()
    scale = size / sides
    corner = box.centre - sides / 2
    return warp(image, np.hstack([np.diag(scale), (-corner * scale)[:, None]]), size)


def _shrink_first(image: Image, transform: Affine, size: int, factor: int) -> tuple[Image, Affine]:
    """Cut out what the crop will see and average it down by the whole number `factor`."""
    inverse = cv2.invertAffineTransform(transform)
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], dtype=np.float64)
    seen = corners @ inverse[:, :2].T + inverse[:, 2]
    height, width = image.shape[:2]
    low = np.clip(np.floor(seen.min(axis=0)).astype(int) - factor, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(seen.max(axis=0)).astype(int) + factor, low + 1, [width, height])
    region = image[low[1] : high[1], low[0] : high[0]]
    out = (max(1, region.shape[1] // factor), max(1, region.shape[0] // factor))
    small = cv2.resize(region, out, interpolation=cv2.INTER_AREA)
    ratio = np.array([region.shape[1] / out[0], region.shape[0] / out[1]])
    # A small pixel p lies at low + (p + 0.5) * ratio - 0.5 in the photo.
    linear = transform[:, :2] * ratio
    offset = transform[:, 2] + transform[:, :2] @ (low + 0.5 * ratio - 0.5)
    return np.asarray(small, dtype=np.uint8), np.hstack([linear, offset[:, None]])
