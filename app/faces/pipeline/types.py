"""What the face pipeline passes from step to step. Pixels are those of the upright image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import PoorReason

Image = NDArray[np.uint8]
"""Upright photo or crop, shape (height, width, 3), RGB, uint8."""

Points = NDArray[np.float64]
"""Five landmarks, shape (5, 2), x then y: left eye, right eye, nose, mouth left, mouth right.

Left is the viewer's left.
"""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels; it may reach beyond the photo's edge."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> NDArray[np.float64]:
        """The middle, x then y."""
        return np.array([self.x + self.width / 2, self.y + self.height / 2])


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as a detector found it. `score` is the detector's own, 0 to 1."""

    box: Box
    landmarks: Points
    score: float


@dataclass(frozen=True, slots=True)
class Quality:
    """`score` 0 (unusable) to 1; `reasons` is empty for a face fit to be enrolled."""

    score: float
    reasons: tuple[PoorReason, ...]


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face with its measured quality."""

    detection: Detection
    quality: Quality
