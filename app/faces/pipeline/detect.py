"""The face detector protocol, and functions that all detectors use."""

from typing import Protocol

import cv2
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
    boxes: Boxes,
    scores: NDArray[np.float64],
    limit: float,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Returns the rows that greedy non-maximum suppression keeps, best first.

    A box is removed if its intersection over union with a better one exceeds `limit` and both are
    in the same group, of `groups` (one per box).
    """
    if not len(boxes):
        return np.empty(0, dtype=np.int64)
    sides = np.concatenate([boxes[:, :2] - boxes.min(), boxes[:, 2:] - boxes[:, :2]], axis=1)
    # OpenCV moves the boxes of each group to a place of their own, counted from 0. Its stubs ask
    # for lists, which it converts more slowly than arrays.
    ids = np.zeros(len(boxes), dtype=np.int32) if groups is None else groups.astype(np.int32)
    kept = cv2.dnn.NMSBoxesBatched(sides, scores, ids, 0.0, limit)  # type: ignore[arg-type]
    return np.asarray(kept, dtype=np.int64).reshape(-1)


def suppress_by_smaller(
    boxes: Boxes, scores: NDArray[np.float64], limit: float
) -> NDArray[np.int64]:
    """Like `suppress`, with the intersection over the area of the smaller box as the overlap.

    This takes 10 microseconds per box: it is for the few boxes of faces.
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
        smaller = np.minimum(areas[best], areas[rest])
        order = rest[shared <= limit * np.maximum(smaller, 1e-9)]
    return np.array(kept, dtype=np.int64)
