"""Is a face fit to be enrolled? Seven named reasons against, each measured and limited."""

from dataclasses import dataclass

import cv2
import numpy as np

from app.errors import PoorReason
from app.faces.pipeline.types import Box, Detection, Image, Points, Quality


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Lengths in pixels of the photo, light in grey levels 0-255, the rest without a unit.

    `sharpness` is the variance of the Laplacian of the aligned crop (Pech-Pacheco et al. 2000);
    `turn` the nose's way from the middle of the eyes, along them, in eye distances.
    """

    min_side: float = 40.0
    min_sharpness: float = 12.0
    min_light: float = 35.0
    max_light: float = 225.0
    max_turn: float = 0.45
    min_detection_score: float = 0.85
    min_inside: float = 0.85


def assess(
    detection: Detection, crop: Image, photo_size: tuple[int, int], limits: QualityLimits
) -> Quality:
    """Measure one face. `photo_size` is width and height; `crop` the embedder's input."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    light = float(grey.mean())
    side = min(detection.box.width, detection.box.height)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    turn = turn_of(detection.landmarks)
    inside = _inside(detection.box, photo_size)
    checks = [
        ("face_too_small", side, limits.min_side, side / limits.min_side),
        ("blurred", sharpness, limits.min_sharpness, sharpness / limits.min_sharpness),
        ("too_dark", light, limits.min_light, light / limits.min_light),
        ("too_bright", light, limits.max_light, (255.0 - light) / (255.0 - limits.max_light)),
        ("extreme_pose", turn, limits.max_turn, limits.max_turn / max(turn, 1e-6)),
        (
            "low_detection_score",
            detection.score,
            limits.min_detection_score,
            detection.score / limits.min_detection_score,
        ),
        ("cut_off", inside, limits.min_inside, inside / limits.min_inside),
    ]
    reasons = tuple(
        PoorReason(code, round(measured, 3), limit)
        for code, measured, limit, ratio in checks
        if ratio < 1.0
    )
    return Quality(_score([ratio for *_, ratio in checks]), reasons)


def turn_of(landmarks: Points) -> float:
    """How far the head is turned sideways: 0 seen from the front, above 0.5 nearly a profile."""
    left, right, nose = landmarks[0], landmarks[1], landmarks[2]
    across = right - left
    squared = float(across @ across)
    if squared <= 0.0:
        return float("inf")
    return abs(float((nose - (left + right) / 2) @ across) / squared)


def _inside(box: Box, photo_size: tuple[int, int]) -> float:
    """The share of the box that lies within the photo, 0 to 1."""
    width = min(box.x + box.width, photo_size[0]) - max(box.x, 0.0)
    height = min(box.y + box.height, photo_size[1]) - max(box.y, 0.0)
    return max(0.0, width) * max(0.0, height) / max(box.area, 1e-9)


def _score(ratios: list[float]) -> float:
    """0 to 1: one half where the worst measure just reaches its limit, towards 1 far above it."""
    worst = min(ratios)
    return round(float(np.clip(worst / (1.0 + worst), 0.0, 1.0)), 3)
