"""Converts crops to the pixel tensors that the network takes."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from app.faces.pipeline.types import Image
from training.faces.augment import Augmentation, CropSpec, augmented_crop
from training.faces.config import NetworkConfig
from training.faces.crops import CropSet


def cut(
    crops: CropSet,
    rows: NDArray[np.int64],
    spec: CropSpec,
    augmentation: Augmentation,
    rng: Generator,
) -> Tensor:
    """Augmented crops of `rows`, shape (len(rows), 3, size, size), uint8."""
    return stack_images(
        [
            augmented_crop(crops.images[row], crops.landmarks[row], spec, augmentation, rng)
            for row in rows
        ]
    )


def stack_images(images: Sequence[Image]) -> Tensor:
    """Images (size, size, 3) as one tensor of shape (n, 3, size, size), uint8, channels last."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def to_network(pixels: Tensor, network: NetworkConfig, device: torch.device) -> Tensor:
    """Normalises uint8 pixels to `(pixel - mean) / std`, float32, channels last, on `device`."""
    scaled = (pixels.to(device, non_blocking=True).float() - network.mean) / network.std
    return scaled.contiguous(memory_format=torch.channels_last)
