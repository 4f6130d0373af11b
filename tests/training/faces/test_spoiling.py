"""Spoiling: shapes, severities, and the geometry of misalignments."""

import numpy as np
import pytest

from app.faces.pipeline.types import Points
from tests.faces.pipeline.faces import FRONTAL
from training.faces.spoiling import MISALIGNMENTS, SPOILS, off_centre, rolled

CROP = np.random.default_rng(0).integers(60, 200, (112, 112, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", SPOILS)
def test_a_higher_severity_changes_a_crop_more(kind: str) -> None:
    original = CROP.copy()
    changes = []
    for severity in (0.0, 0.5, 1.0):
        spoiled = SPOILS[kind](CROP, severity, np.random.default_rng(3))
        assert spoiled.shape == CROP.shape
        assert spoiled.dtype == np.uint8
        changes.append(float(np.abs(spoiled.astype(float) - original).mean()))
    assert changes == sorted(changes)
    assert changes[0] < changes[2]
    assert (original == CROP).all(), "the given crop is not changed"


@pytest.mark.parametrize("kind", MISALIGNMENTS)
def test_misaligned_landmarks_keep_the_shape_of_the_face(kind: str) -> None:
    moved = MISALIGNMENTS[kind](FRONTAL, 0.7, np.random.default_rng(1))

    def cosine_at_the_eye(points: Points) -> float:
        right, nose = points[1] - points[0], points[2] - points[0]
        return float((right @ nose) / np.linalg.norm(right) / np.linalg.norm(nose))

    assert cosine_at_the_eye(moved) == pytest.approx(cosine_at_the_eye(FRONTAL))
    assert not np.allclose(moved, FRONTAL)


def test_the_severity_of_a_misalignment_is_a_share_of_the_eye_distance_or_an_angle() -> None:
    rng = np.random.default_rng(2)
    moved = off_centre(FRONTAL, 0.0, rng)
    step = np.linalg.norm(moved.mean(axis=0) - FRONTAL.mean(axis=0))
    assert step == pytest.approx(0.04 * 40)
    upside_down = rolled(FRONTAL, 1.0, rng)
    assert upside_down == pytest.approx(2 * FRONTAL.mean(axis=0) - FRONTAL)
