"""Crops: similarity transform, reduction, landmarks and boxes."""

import numpy as np
import pytest

from app.errors import ModelError
from app.faces.pipeline.align import box_margin_crop, five_point_crop, similarity_transform, warp
from app.faces.pipeline.types import Box
from tests.faces.pipeline.faces import FRONTAL


def test_a_similarity_transform_is_recovered_exactly() -> None:
    turn = np.deg2rad(25)
    linear = 1.7 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = FRONTAL @ linear.T + [12.0, -7.0]
    found = similarity_transform(FRONTAL, moved)
    assert found[:, :2] == pytest.approx(linear)
    assert found[:, 2] == pytest.approx([12.0, -7.0])


def test_coinciding_landmarks_have_no_transform() -> None:
    with pytest.raises(ModelError):
        similarity_transform(np.zeros((5, 2)), FRONTAL)


@pytest.mark.parametrize("scale", [0.11, 0.23, 0.4, 0.8, 1.6])
def test_landmarks_map_to_the_template_at_any_scale(scale: float) -> None:
    """A dot painted on a landmark is at the template's position in the crop."""
    template = FRONTAL / 100.0
    size = 112
    factor = template[1, 0] * size / 70.0 / scale
    landmarks = FRONTAL * factor + 20.0
    photo = np.zeros((int(120 * factor) + 40, int(120 * factor) + 40, 3), dtype=np.uint8)
    x, y = np.rint(landmarks[2]).astype(int)
    radius = max(2, round(2 / scale))
    photo[y - radius : y + radius + 1, x - radius : x + radius + 1] = 255
    crop = five_point_crop(photo, landmarks, template, size)
    rows, columns = np.nonzero(crop[:, :, 0] > 100)
    assert columns.mean() == pytest.approx(template[2, 0] * size, abs=1.0)
    assert rows.mean() == pytest.approx(template[2, 1] * size, abs=1.0)


def test_a_strong_reduction_averages_instead_of_aliasing() -> None:
    """A fine checkerboard becomes uniformly grey."""
    board = np.indices((800, 800)).sum(axis=0) % 2 * 255
    photo = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    crop = warp(photo, np.array([[0.1, 0, 0], [0, 0.1, 0]]), 80)
    inner = crop[5:-5, 5:-5].astype(float)
    assert inner.mean() == pytest.approx(127.5, abs=2)
    assert inner.std() < 10


def test_a_box_with_margin_becomes_a_centred_square() -> None:
    photo = np.zeros((200, 200, 3), dtype=np.uint8)
    photo[90:110, 90:110] = 255
    crop = box_margin_crop(photo, Box(80, 60, 40, 80), 0.0, 80)
    rows, columns = np.nonzero(crop[:, :, 0] > 100)
    assert rows.mean() == pytest.approx(39.5, abs=1)
    assert columns.mean() == pytest.approx(39.5, abs=1)
