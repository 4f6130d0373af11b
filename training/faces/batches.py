"""Batches as a pure function of (seed, step): a resumed run sees what it would have seen."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from app.faces.types import Points
from training.faces.augment import Augmentation, augmented_crop
from training.faces.crops import CropSet


@dataclass(frozen=True, slots=True)
class CropSpec:
    """How a network wants its crops: pixels a side, and where the five landmarks lie in them."""

    size: int
    template: Points


class DistillationBatches(Dataset[tuple[Tensor, Tensor]]):
    """Item `step` is that step's batch: pixels (batch, 3, size, size) uint8 and target rows."""

    def __init__(
        self, crops: CropSet, spec: CropSpec, how: Augmentation, batch: int, seed: int
    ) -> None:
        self._crops, self._spec, self._how = crops, spec, how
        self._batch, self._seed = batch, seed
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self._seed, step))
        rows = np.array([self._row(step * self._batch + i) for i in range(self._batch)])
        crops = [
            augmented_crop(
                self._crops.images[row],
                self._crops.landmarks[row],
                self._spec.template,
                self._spec.size,
                self._how,
                rng,
            )
            for row in rows
        ]
        pixels = np.stack(crops).transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(rows)

    def _row(self, position: int) -> int:
        epoch, offset = divmod(position, len(self._crops))
        if self._order[0] != epoch:
            shuffled = np.random.default_rng((self._seed, 7, epoch)).permutation(len(self._crops))
            self._order = (epoch, shuffled)
        return int(self._order[1][offset])


def load_from(
    batches: Dataset[tuple[Tensor, Tensor]], first: int, last: int, workers: int
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Steps `first` to `last - 1` in order, prepared ahead by `workers` processes."""
    return DataLoader(batches, batch_size=None, sampler=range(first, last), num_workers=workers)


def to_network(pixels: Tensor, mean: float, std: float, device: torch.device) -> Tensor:
    """uint8 pixels -> `(pixel - mean) / std`, channels last, on `device`."""
    scaled = (pixels.to(device, non_blocking=True).float() - mean) / std
    return scaled.contiguous(memory_format=torch.channels_last)
