"""MTCNN's graphs compute what its layers specify: compared with a plain NumPy implementation."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from app.faces.pipeline.mtcnn_graphs import build_stage
from app.faces.pipeline.mtcnn_weights import Stage, read_weights
from app.inference.session import OnnxSession

Array = NDArray[np.float64]
Weights = Iterator[NDArray[np.float32]]

POOLS: dict[Stage, list[tuple[int, bool] | None]] = {
    "pnet": [(2, True), None, None],
    "rnet": [(3, True), (3, False), None],
    "onet": [(3, True), (3, False), (2, True), None],
}
"""Side of the max pooling after each convolution, and whether it is padded to all pixels."""


def convolved(x: Array, weights: Weights) -> Array:
    """A valid convolution of (height, width, channels)."""
    kernel, bias = next(weights).astype(float), next(weights)
    windows = sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
    return np.asarray(np.einsum("hwcij,ijco->hwo", windows, kernel) + bias)


def dense(x: Array, weights: Weights) -> Array:
    matrix, bias = next(weights).astype(float), next(weights)
    return np.asarray(x @ matrix + bias)


def prelu(x: Array, weights: Weights) -> Array:
    slopes = next(weights).reshape(-1)
    return np.where(x > 0, x, slopes * x)


def pooled(x: Array, side: int, padded: bool) -> Array:
    """Max pooling with stride 2; padding, at most a pixel more after than before, never wins."""
    if padded:
        missing = [max(0, (-(-length // 2) - 1) * 2 + side - length) for length in x.shape[:2]]
        around = [(m // 2, m - m // 2) for m in missing]
        x = np.pad(x, [*around, (0, 0)], constant_values=-np.inf)
    return np.asarray(sliding_window_view(x, (side, side), axis=(0, 1))[::2, ::2].max(axis=(3, 4)))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def expected(stage: Stage, image: NDArray[np.uint8]) -> list[Array]:
    """Offsets, landmarks (O-Net) and the probability of a face of one image."""
    weights = iter(read_weights(stage))
    x: Array = (image.astype(float) - 127.5) / 128.0
    for pool in POOLS[stage]:
        x = prelu(convolved(x, weights), weights)
        if pool is not None:
            x = pooled(x, *pool)
    if stage == "pnet":
        offsets, classes = convolved(x, weights), convolved(x, weights)
        return [offsets.transpose(2, 0, 1), softmax(classes)[None, :, :, 1]]
    x = prelu(dense(x.transpose(1, 0, 2).reshape(-1), weights), weights)
    heads = [dense(x, weights) for _ in range(3 if stage == "onet" else 2)]
    return [*heads[:-1], softmax(heads[-1])[1:]]


@pytest.mark.parametrize(
    ("stage", "sizes"),
    [
        ("pnet", [(12, 12), (40, 61), (61, 40), (37, 35)]),  # width, height
        ("rnet", [(24, 24)]),
        ("onet", [(48, 48)]),
    ],
)
def test_a_stage_equals_its_layers_on_faces(stage: Stage, sizes: list[tuple[int, int]]) -> None:
    session = OnnxSession(build_stage(stage), ["CPUExecutionProvider"])
    face = skimage.data.astronaut()[40:240, 130:310]
    for size in sizes:
        images = [cv2.resize(part, size) for part in (face, face[:, ::-1], 255 - face)]
        outputs = session.run(np.stack(images).astype(np.uint8))
        for row, image in enumerate(images):
            for output, wanted in zip(outputs, expected(stage, np.asarray(image)), strict=True):
                assert output[row] == pytest.approx(wanted, abs=1e-5)
