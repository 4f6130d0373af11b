"""What a face detector promises, and what all of them share."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.faces.pipeline.types import Box, Detection, Image

Boxes = NDArray[np.float64]
"""Corners, shape (n, 4): left, top, right, bottom in pixels."""


class Detector(Protocol):
    """Finds faces with five landmarks. Safe to call from several threads."""

    @property
    def name(self) -> str: ...

    def detect(self, image: Image) -> list[Detection]:
        """Every face in an upright RGB image, largest first; an empty list where there is none."""
        ...


def largest_first(detections: list[Detection]) -> list[Detection]:
    """By the area of the box; ties go to the higher score."""
    return sorted(detections, key=lambda d: (-d.box.area, -d.score))


def rescale(detection: Detection, factor: float) -> Detection:
    """The same face in an image whose sides are `factor` times as long."""
    box = detection.box
    return Detection(
        Box(box.x * factor, box.y * factor, box.width * factor, box.height * factor),
        (detection.landmarks + 0.5) * factor - 0.5,
        detection.score,
    )


def suppress(
    boxes: Boxes, scores: NDArray[np.float64], limit: float, by_smaller: bool
) -> list[int]:
    """Greedy non-maximum suppression; rows kept, best first.

    Overlap is intersection over union, or over the smaller box with `by_smaller`.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.prod(np.maximum(0.0, high - low), axis=1)
        if by_smaller:
            whole = np.minimum(areas[best], areas[rest])
        else:
            whole = areas[best] + areas[rest] - shared
        order = rest[shared <= limit * np.maximum(whole, 1e-9)]
    return kept
