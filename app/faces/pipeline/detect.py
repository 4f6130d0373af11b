"""The face detector protocol, and functions that all detectors use."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.faces.pipeline.types import Box, Detection, Image

Boxes = NDArray[np.float64]
"""Boxes as corners, shape (n, 4): left, top, right, bottom in pixels."""


class Detector(Protocol):
    """Detects faces with five landmarks each. Thread-safe."""

    @property
    def name(self) -> str: ...

    def detect(self, image: Image) -> list[Detection]:
        """Returns the faces of an upright RGB image, largest first."""
        ...


def largest_first(detections: list[Detection]) -> list[Detection]:
    """Sorts by falling area of the box, then by falling score."""
    return sorted(detections, key=lambda d: (-d.box.area, -d.score))


def rescale(detection: Detection, factor: float) -> Detection:
    """Returns the detection in an image whose sides are `factor` times as long."""
    box = detection.box
    return Detection(
        Box(box.x * factor, box.y * factor, box.width * factor, box.height * factor),
        (detection.landmarks + 0.5) * factor - 0.5,
        detection.score,
    )


def suppress(
    boxes: Boxes, scores: NDArray[np.float64], limit: float, by_smaller: bool
) -> list[int]:
    """Returns the rows that greedy non-maximum suppression keeps, best first.

    A box is removed if its overlap with a better one exceeds `limit`. The overlap is intersection
    over union or, with `by_smaller`, intersection over the area of the smaller box.
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
