"""Samples pyramid levels and patches of a photo for the detector, without aliasing.

A sample is the mean of the pixels that it covers, as in OpenCV's INTER_AREA. That takes 4 ns per
pixel of the source unless the ratio is an integer, so that most reductions here are two steps that
OpenCV vectorises: bilinear sampling at twice the size, then the mean of each 2 x 2 pixels. The
source is an image that was halved until it is 2 to 4 times as large as the result.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from app.faces.pipeline.types import Image

_LEAST_REDUCTION = 2.0  # from a source to its result; with 1.5 fewer faces were found


class Halvings:
    """An image, its half, the half of that and so on; computed when they are first used.

    Pixel (x, y) of halving k is the mean of the 2^k x 2^k pixels from (x * 2^k, y * 2^k) on. An odd
    last row or column is repeated.
    """

    def __init__(self, image: Image) -> None:
        self._images = [image]

    def level(self, size: tuple[int, int]) -> tuple[Image, tuple[float, float]]:
        """Returns the image reduced to `size` (width, height), and its extent across and down.

        The extent is in sides of the image: slightly above 1 where odd sides were continued.
        """
        source, k = self._images[0], 0
        while source.shape[1] >= 2 * _LEAST_REDUCTION * size[0]:
            k += 1
            source = self._halving(k)
        height, width = self._images[0].shape[:2]
        extent = (source.shape[1] * 2**k / width, source.shape[0] * 2**k / height)
        if source.shape[1] < _LEAST_REDUCTION * size[0]:
            return _resized(source, size, cv2.INTER_AREA), extent
        doubled = _resized(source, (2 * size[0], 2 * size[1]), cv2.INTER_LINEAR)
        return _resized(doubled, size, cv2.INTER_AREA), extent

    def patches(self, boxes: NDArray[np.float64], size: int) -> Image:
        """Returns the boxes (n, 4: left, top, right, bottom) at size x size; black outside.

        Corners are rounded to whole pixels. The result has shape (n, size, size, 3).
        """
        corners = np.rint(boxes).astype(int)
        out = np.zeros((len(boxes), size, size, 3), dtype=np.uint8)
        is_large = (corners[:, 2:] - corners[:, :2]).min(axis=1) >= _LEAST_REDUCTION * size
        doubled = np.empty((int(is_large.sum()), 2 * size, 2 * size, 3), dtype=np.uint8)
        for sampled, corner in zip(doubled, corners[is_large].tolist(), strict=True):
            self._sample(corner, sampled)
        if len(doubled):
            rows = doubled.reshape(-1, 2 * size, 3)
            halved = _resized(rows, (size, size * len(doubled)), cv2.INTER_AREA)
            out[is_large] = halved.reshape(-1, size, size, 3)
        for row in np.flatnonzero(~is_large).tolist():
            _cut(self._images[0], corners[row].tolist(), out[row])
        return out

    def _sample(self, corner: list[int], out: Image) -> None:
        """Samples a box bilinearly at the size of `out`, from a source 1 to 2 times as large."""
        left, top, right, bottom = corner
        side = out.shape[0]
        k = max(0, int(min(right - left, bottom - top) / side).bit_length() - 1)
        scale = 2.0**-k
        across, down = (right - left) * scale / side, (bottom - top) * scale / side
        # The centre of pixel p is at p + 0.5.
        x, y = left * scale + across / 2 - 0.5, top * scale + down / 2 - 0.5
        cv2.warpAffine(
            self._halving(k),
            np.array([[across, 0.0, x], [0.0, down, y]]),
            (side, side),
            dst=out,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )

    def _halving(self, k: int) -> Image:
        while len(self._images) <= k:
            last = self._images[-1]
            height, width = last.shape[:2]
            if height % 2 or width % 2:  # the fast path of OpenCV needs an exact half
                last = np.asarray(
                    cv2.copyMakeBorder(last, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE),
                    dtype=np.uint8,
                )
            half = (last.shape[1] // 2, last.shape[0] // 2)
            self._images.append(_resized(last, half, cv2.INTER_AREA))
        return self._images[k]


def reduced(image: Image, size: tuple[int, int]) -> Image:
    """Returns the image reduced to `size` (width, height).

    Down to half the size, bilinear sampling reads every pixel and does not alias.
    """
    if image.shape[1] < _LEAST_REDUCTION * size[0]:
        return _resized(image, size, cv2.INTER_LINEAR)
    return Halvings(image).level(size)[0]


def _cut(image: Image, corner: list[int], out: Image) -> None:
    """Resizes a box of the image to `out`."""
    left, top, right, bottom = corner
    height, width = image.shape[:2]
    inside = image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if not inside.size:
        return
    if left < 0 or top < 0 or right > width or bottom > height:
        inside = np.asarray(
            cv2.copyMakeBorder(
                inside,
                max(0, -top),
                max(0, bottom - height),
                max(0, -left),
                max(0, right - width),
                cv2.BORDER_CONSTANT,
            ),
            dtype=np.uint8,
        )
    size = out.shape[0]
    smooth = cv2.INTER_AREA if inside.shape[0] > size else cv2.INTER_LINEAR
    cv2.resize(inside, (size, size), dst=out, interpolation=smooth)


def _resized(image: Image, size: tuple[int, int], interpolation: int) -> Image:
    """Returns the image in another size (width, height)."""
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), dtype=np.uint8)
