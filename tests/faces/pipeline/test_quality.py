"""Quality: every failed check is reported, and the turn of the head is measured."""

from typing import Any

import numpy as np
import pytest

from app.faces.pipeline.quality import QualityLimits, failed_checks, head_turn
from app.faces.pipeline.types import Box, Detection
from tests.faces.pipeline.faces import FRONTAL


def _reasons(
    light: float = 128, noise: float = 30, quality: float = 0.8, **changes: object
) -> list[str]:
    rng = np.random.default_rng(0)
    crop = np.clip(rng.normal(light, noise, (112, 112, 3)), 0, 255).astype(np.uint8)
    values: dict[str, Any] = {
        "box": Box(50, 50, 100, 120),
        "landmarks": FRONTAL,
        "score": 0.99,
        **changes,
    }
    detection = Detection(**values)
    limits = QualityLimits()
    return [r.code for r in failed_checks(detection, crop, quality, (300, 300), limits)]


def test_each_reason_is_reported() -> None:
    profile = FRONTAL.copy()
    profile[2, 0] = 75
    assert _reasons() == []
    assert _reasons(box=Box(50, 50, 30, 35)) == ["face_too_small"]
    assert _reasons(noise=0.1) == ["blurred"]
    assert _reasons(light=12, noise=10) == ["too_dark"]
    assert _reasons(light=245, noise=10) == ["too_bright"]
    assert _reasons(landmarks=profile) == ["extreme_pose"]
    assert _reasons(score=0.5) == ["low_detection_score"]
    assert _reasons(box=Box(-40, 50, 100, 120)) == ["cut_off"]
    assert _reasons(quality=0.1) == ["low_quality_score"]
    assert _reasons(box=Box(-40, 50, 30, 35), score=0.1) == [
        "face_too_small",
        "low_detection_score",
        "cut_off",
    ]


def test_turn_is_zero_for_a_frontal_face() -> None:
    assert head_turn(FRONTAL) == pytest.approx(0.0)
    assert head_turn(np.zeros((5, 2))) == float("inf")
