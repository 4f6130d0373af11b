"""Turns images by quarter turns, and maps detections back."""

import numpy as np

from app.faces.pipeline.types import Box, Detection, Image

QUARTERS = (1, 2, 3)
"""Counterclockwise quarter turns other than none: 90, 180 and 270 degrees."""


def turned(image: Image, quarters: int) -> Image:
    """Returns the image turned counterclockwise by `quarters` times 90 degrees."""
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def turn_back(detection: Detection, quarters: int, width: int, height: int) -> Detection:
    """Maps a detection of a turned image to the original image of `width` x `height` pixels.

    The landmarks keep their order: the left eye is the viewer's left eye when the face is upright.
    """
    box, points = detection.box, detection.landmarks
    for done in range(quarters):
        # One clockwise turn: (x, y) becomes (side - y, x), where `side` is the height of the
        # image before this turn. Landmarks are pixel centres, boxes are edges.
        side = width if (quarters - done) % 2 else height
        box = Box(side - box.y - box.height, box.x, box.height, box.width)
        points = np.stack([side - 1.0 - points[:, 1], points[:, 0]], axis=1)
    return Detection(box, points, detection.score)
