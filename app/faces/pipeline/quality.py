"""Assesses face quality: a score that predicts recognition, and seven measures, with limits.

The score is estimated by a network (`quality_model`).
"""

from dataclasses import dataclass

import cv2

from app.errors import PoorReason
from app.faces.pipeline.types import Box, Detection, Image, Points


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Limits for enrollment: sides in pixels, light in grey levels 0 to 255, others unitless.

    Sharpness is the variance of the Laplacian of the aligned crop (Pech-Pacheco et al. 2000).
    Turn is defined by `head_turn`, and inside is the share of the box within the image. The score
    is the estimated probability of a match; drawings, covered and inverted faces are below its
    limit (docs/adr/0018).
    """

    min_side: float = 40.0
    min_sharpness: float = 12.0
    min_light: float = 35.0
    max_light: float = 225.0
    max_turn: float = 0.45
    min_detection_score: float = 0.85
    min_inside: float = 0.85
    min_score: float = 0.3


def failed_checks(
    detection: Detection,
    crop: Image,
    score: float,
    image_size: tuple[int, int],
    limits: QualityLimits,
) -> tuple[PoorReason, ...]:
    """Returns the measures of one face that are beyond their limits.

    `image_size` is (width, height); `crop` is the embedder's input; `score` is the quality score.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    light = float(grey.mean())
    side = min(detection.box.width, detection.box.height)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    turn = head_turn(detection.landmarks)
    inside = _inside(detection.box, image_size)
    checks = [
        ("face_too_small", side, limits.min_side, side < limits.min_side),
        ("blurred", sharpness, limits.min_sharpness, sharpness < limits.min_sharpness),
        ("too_dark", light, limits.min_light, light < limits.min_light),
        ("too_bright", light, limits.max_light, light > limits.max_light),
        ("extreme_pose", turn, limits.max_turn, turn > limits.max_turn),
        (
            "low_detection_score",
            detection.score,
            limits.min_detection_score,
            detection.score < limits.min_detection_score,
        ),
        ("cut_off", inside, limits.min_inside, inside < limits.min_inside),
        ("low_quality_score", score, limits.min_score, score < limits.min_score),
    ]
    return tuple(
        PoorReason(code, round(measured, 3), limit)
        for code, measured, limit, failed in checks
        if failed
    )


def head_turn(landmarks: Points) -> float:
    """Returns the sideways turn of the head: 0 is frontal, above 0.5 is nearly a profile.

    It is the offset of the nose from the centre between the eyes, projected onto the line of the
    eyes, in units of the distance between the eyes.
    """
    left, right, nose = landmarks[0], landmarks[1], landmarks[2]
    across = right - left
    squared = float(across @ across)
    if squared <= 0.0:
        return float("inf")
    return abs(float((nose - (left + right) / 2) @ across) / squared)


def _inside(box: Box, image_size: tuple[int, int]) -> float:
    """Returns the share of the box that is within the image, 0 to 1."""
    width = min(box.x + box.width, image_size[0]) - max(box.x, 0.0)
    height = min(box.y + box.height, image_size[1]) - max(box.y, 0.0)
    return max(0.0, width) * max(0.0, height) / max(box.area, 1e-9)
