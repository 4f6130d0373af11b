"""Spoils aligned crops with a graded severity: sharpness, light, occlusion, alignment.

`training.faces.augment` imitates ordinary photos; the severities here extend until a face is
useless, so that a quality measure is fitted and tested over its whole range.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from app.faces.pipeline.types import Image, Points

_EYE_HEIGHT = 0.475  # of the training crops, as a fraction of the side from the top

Spoil = Callable[[Image, float, Generator], Image]
"""Returns a spoiled copy of a square RGB crop; the severity is 0 (hardly) to 1 (useless)."""


def blur(crop: Image, severity: float, rng: Generator) -> Image:  # noqa: ARG001 - as the others
    """Gaussian blur with a standard deviation of 0.5 to 5 % of the side."""
    sigma = crop.shape[0] * (0.005 + 0.045 * severity)
    return _pixels(cv2.GaussianBlur(crop, (0, 0), sigma))


def low_resolution(crop: Image, severity: float, rng: Generator) -> Image:  # noqa: ARG001 - as the others
    """Reduces the crop to 55 % down to 9 % of its side and enlarges it again."""
    size = crop.shape[0]
    small = max(4, round(size * 0.55 * (0.16**severity)))
    shrunk = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    return _pixels(cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR))


def darkness(crop: Image, severity: float, rng: Generator) -> Image:
    """Scales the light to 50 % down to 4 % and adds sensor noise of 3 grey levels."""
    dark = crop * (0.5 * 0.08**severity) + rng.normal(0.0, 3.0, crop.shape)
    return _pixels(dark)


def overexposure(crop: Image, severity: float, rng: Generator) -> Image:  # noqa: ARG001 - as the others
    """Multiplies the light by 1.5 to 5, clipped at white."""
    return _pixels(crop * (1.5 + 3.5 * severity))


def occlusion(crop: Image, severity: float, rng: Generator) -> Image:
    """Covers 8 to 45 % of the central face with a rectangle or an ellipse.

    It is filled with one colour, noise, or an enlarged piece of the crop itself.
    """
    size = crop.shape[0]
    share = 0.08 + 0.37 * severity
    aspect = float(np.exp(rng.uniform(-0.7, 0.7)))
    face = 0.75 * size  # the central part of the crop that shows the face
    width = int(np.clip(face * np.sqrt(share * aspect), 4, face))
    height = int(np.clip(face * face * share / width, 4, face))
    middle = rng.uniform((size - face) / 2 + 4, (size + face) / 2 - 4, 2)
    mask = np.zeros((size, size), dtype=np.uint8)
    corner = (middle - np.array([width, height]) / 2).astype(int)
    if rng.random() < 0.5:
        cv2.rectangle(mask, corner.tolist(), (corner + np.array([width, height])).tolist(), 255, -1)
    else:
        angle = rng.uniform(0, 180)
        axes = (width * 0.56, height * 0.56)  # the ellipse has the area of the rectangle
        cv2.ellipse(mask, (tuple(middle), tuple(np.array(axes) * 2), angle), 255, -1)
    return _pixels(np.where(mask[:, :, None] > 0, _filling(crop, rng), crop))


def covered_eyes(crop: Image, severity: float, rng: Generator) -> Image:
    """Covers both eyes of an aligned crop with a bar, 10 to 28 % of the side high."""
    size = crop.shape[0]
    half = size * (0.05 + 0.09 * severity)
    top, bottom = round(_EYE_HEIGHT * size - half), round(_EYE_HEIGHT * size + half)
    margin = round(size * rng.uniform(0.1, 0.25))
    covered = crop.copy()
    bar = np.s_[max(0, top) : bottom, margin : size - margin]
    covered[bar] = _pixels(_filling(crop, rng))[bar]
    return covered


def negative(crop: Image, severity: float, rng: Generator) -> Image:  # noqa: ARG001 - as the others
    """Mixes 60 to 100 % of the photographic negative into the crop."""
    return _pixels(crop + (255.0 - 2.0 * crop) * (0.6 + 0.4 * severity))


def off_centre(landmarks: Points, severity: float, rng: Generator) -> Points:
    """Returns landmarks moved together by 4 to 30 % of the eye distance, and resized by up to 25 %.

    The crop that is aligned to them shows the face off its usual position.
    """
    eyes = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    angle = rng.uniform(0, 2 * np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * eyes * (0.04 + 0.26 * severity)
    middle = landmarks.mean(axis=0)
    size = np.exp(rng.uniform(-0.25, 0.25) * severity)
    moved: Points = (landmarks - middle) * size + middle + step
    return moved


def rolled(landmarks: Points, severity: float, rng: Generator) -> Points:
    """Returns landmarks turned about their centre by 25 to 180 degrees in either direction."""
    angle = np.deg2rad(25 + 155 * severity) * rng.choice([-1.0, 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = landmarks.mean(axis=0)
    turned: Points = (landmarks - middle) @ turn.T + middle
    return turned


def cut_off(crop: Image, severity: float, rng: Generator) -> Image:
    """Blackens 10 to 60 % of the crop from one side, as beyond the edge of the image."""
    width = int(crop.shape[0] * (0.1 + 0.5 * severity))
    cut = crop.copy()
    side = int(rng.integers(4))
    np.rot90(cut, side)[:, :width] = 0  # a view: changes `cut`
    return cut


SPOILS: Mapping[str, Spoil] = {
    "blur": blur,
    "low resolution": low_resolution,
    "darkness": darkness,
    "overexposure": overexposure,
    "occlusion": occlusion,
    "cut off": cut_off,
    "covered eyes": covered_eyes,
    "negative": negative,
}
"""The kinds that change the crop."""

MISALIGNMENTS: Mapping[str, Callable[[Points, float, Generator], Points]] = {
    "off-centre": off_centre,
    "rolled": rolled,
}
"""The kinds that change the landmarks before the crop is cut."""


def _filling(crop: Image, rng: Generator) -> NDArray[np.float64]:
    """Returns an image of the crop's shape to cover it with."""
    size = crop.shape[0]
    kind = rng.integers(3)
    if kind == 0:
        return np.full(crop.shape, rng.uniform(0, 255, 3))
    if kind == 1:
        return rng.uniform(0, 255, 3) + rng.normal(0.0, rng.uniform(5, 40), crop.shape)
    quarter = size // 4
    top, left = rng.integers(0, size - quarter, 2)
    piece = crop[top : top + quarter, left : left + quarter]
    enlarged = cv2.resize(piece, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, dtype=np.float64)


def _pixels(values: NDArray[np.generic]) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)
