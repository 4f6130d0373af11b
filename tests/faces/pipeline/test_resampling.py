"""Resampling for the detector equals area averaging of the whole image, apart from rounding."""

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from app.faces.pipeline.resampling import Halvings, reduced
from app.faces.pipeline.types import Image

PHOTO: Image = skimage.data.astronaut()


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


def area(image: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resized(part: Image, size: int) -> Image:
    smooth = cv2.INTER_AREA if len(part) > size else cv2.INTER_LINEAR
    patch = cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=smooth)
    return np.asarray(patch, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(512, 512), (511, 509), (341, 512)])
@pytest.mark.parametrize("scale", [0.6, 0.3, 0.213, 0.151, 0.107, 0.054])
def test_a_level_is_the_mean_of_the_pixels_that_it_covers(
    shape: tuple[int, int], scale: float
) -> None:
    """Measured in units of the difference that a shift by half a pixel of the level makes."""
    height, width = shape
    photo = np.ascontiguousarray(PHOTO[:height, :width])
    size = (round(width * scale), round(height * scale))
    level, extent = Halvings(photo).level(size)
    more = (round(width * extent[0]) - width, round(height * extent[1]) - height)
    whole = cv2.copyMakeBorder(photo, 0, more[1], 0, more[0], cv2.BORDER_REPLICATE)
    assert max(more) < 16
    assert level.shape == (size[1], size[0], 3)
    wanted = area(np.asarray(whole, dtype=np.uint8), size)
    moved = area(np.asarray(np.roll(whole, round(0.5 / scale), axis=1), dtype=np.uint8), size)
    assert difference(level, wanted) < 0.25 * difference(moved, wanted)


def test_a_patch_is_the_mean_of_the_pixels_that_it_covers() -> None:
    """Small and large boxes, boxes across the edges, and one outside; with odd sides.

    Measured in units of the difference that a shift by half a pixel of the patch makes.
    """
    photo = np.ascontiguousarray(PHOTO[:501, :507])
    boxes = np.array(
        [
            [180.2, 60.4, 260.1, 140.3],
            [100, 20, 400, 320],
            [-40, -30, 80, 90],
            [-60, 200, 140, 400],
            [400, 350, 560, 510],
            [30, 40, 59, 69],
            [0, 0, 501, 501],
            [600, 600, 700, 700],
        ]
    )
    around = 200
    padded = np.pad(photo, [(around, around), (around, around), (0, 0)])
    for size in (24, 48):
        patches = Halvings(photo).patches(boxes, size)
        for patch, box in zip(patches, np.rint(boxes).astype(int) + around, strict=True):
            left, top, right, bottom = box
            half = round((right - left) / size / 2)
            wanted = resized(padded[top:bottom, left:right], size)
            moved = resized(padded[top:bottom, left + half : right + half], size)
            assert difference(patch, wanted) <= 0.25 * difference(moved, wanted)


@pytest.mark.parametrize("size", [(500, 500), (400, 400), (300, 300), (200, 200), (60, 60)])
def test_a_reduced_image_is_close_to_area_averaging(size: tuple[int, int]) -> None:
    assert difference(reduced(PHOTO, size), area(PHOTO, size)) < 2.0
