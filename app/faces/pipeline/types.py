"""Data types of the face pipeline. All coordinates are pixels of the upright image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import PoorReason

Image = NDArray[np.uint8]
"""Upright image or crop, shape (height, width, 3), RGB, uint8."""

Points = NDArray[np.float64]
"""Five landmarks, shape (5, 2), columns x, y: left eye, right eye, nose, then the left and
right corner of the mouth.

Left and right are the viewer's.
"""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels; it may extend beyond the edge of the image."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> NDArray[np.float64]:
        """Centre point, shape (2,): x, y."""
        return np.array([self.x + self.width / 2, self.y + self.height / 2])


@dataclass(frozen=True, slots=True)
class Detection:
    """Box, landmarks and score of one face. `score` is the detector's confidence, 0 to 1."""

    box: Box
    landmarks: Points
    score: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be recognised.

    `score` is the estimated probability, 0 to 1, that the face matches another, ordinary photo of
    the same person at a false match rate of 0.001. `reasons` is empty if the face is fit for
    enrollment; it does not depend on the score.
    """

    score: float
    reasons: tuple[PoorReason, ...]


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face, its measured quality, and its aligned crop: the embedder's input."""

    detection: Detection
    quality: Quality
    crop: Image
