"""Cropping with and without augmentation."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="requires the extra `train`")

from tests.training.faces.patterns import TEMPLATE, synthetic_crops
from training.faces.augment import NO_AUGMENTATION, Augmentation, CropSpec, augmented_crop


def test_a_crop_without_augmentation_is_the_serving_crop() -> None:
    crops = synthetic_crops(1, 1)
    image, landmarks, spec = crops.images[0], crops.landmarks[0], CropSpec(96, TEMPLATE)
    rng = np.random.default_rng(0)
    plain = augmented_crop(image, landmarks, spec, NO_AUGMENTATION, rng)
    assert np.abs(plain.astype(int) - image.astype(int)).mean() < 1.0
    augmented = augmented_crop(image, landmarks, spec, Augmentation(), rng)
    assert augmented.shape == plain.shape
