"""Drawn faces: where their landmarks are, and crops that are cut by them."""

import numpy as np
import pytest

from training.faces.drawings import STYLES, drawing
from training.faces.quality_data import drawn_crops


@pytest.mark.parametrize("style", STYLES)
def test_a_drawing_has_ink_at_its_eyes_and_is_repeatable(style: str) -> None:
    face = drawing(style, np.random.default_rng(5))
    again = drawing(style, np.random.default_rng(5))
    assert np.array_equal(face.image, again.image)
    left, right, nose, mouth_left, mouth_right = face.landmarks
    assert left[0] < nose[0] < right[0]
    assert left[1] < nose[1] < mouth_left[1] == mouth_right[1]
    for x, y in (left, right):
        eye = face.image[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9].astype(float)
        assert eye.std() > 5, "something is drawn where the eye is"


def test_drawn_crops_differ_by_seed_and_have_the_size_of_the_network() -> None:
    crops = drawn_crops("flat", 3)
    assert crops.shape == (3, 112, 112)
    assert np.array_equal(crops, drawn_crops("flat", 3))
    assert not np.array_equal(crops, drawn_crops("flat", 3, seed=1))
