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


def cut(
    crops: CropSet, rows: np.ndarray, spec: CropSpec, how: Augmentation, rng: np.random.Generator
) -> Tensor:
    """Augmented crops of `rows` as pixels (len(rows), 3, size, size), uint8."""
    images = [
        augmented_crop(crops.images[row], crops.landmarks[row], spec.template, spec.size, how, rng)
        for row in rows
    ]
    return torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))


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
        return cut(self._crops, rows, self._spec, self._how, rng), torch.from_numpy(rows)

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


class IdentityBatches(Dataset[tuple[Tensor, Tensor]]):
    """P x K batches: item `step` shows `people` identities with `photos` crops each.

    Pixels (people * photos, 3, size, size) uint8, and the rows they were cut from. Only people
    with two crops or more take part; who has fewer than K is drawn with repetition.
    """

    def __init__(
        self,
        crops: CropSet,
        spec: CropSpec,
        how: Augmentation,
        people: int,
        photos: int,
        seed: int,
    ) -> None:
        self._crops, self._spec, self._how, self._seed = crops, spec, how, seed
        self._photos = photos
        names, counts = np.unique(crops.identity, return_counts=True)
        self._members = [
            np.flatnonzero(crops.identity == name)
            for name, count in zip(names, counts, strict=True)
            if name != "" and count >= 2
        ]
        if len(self._members) < 2:
            raise ValueError("triplets need at least two people with two crops each")
        self._people = min(people, len(self._members))

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self._seed, 11, step))
        chosen = rng.choice(len(self._members), self._people, replace=False)
        rows = np.concatenate([self._draw(self._members[number], rng) for number in chosen])
        return cut(self._crops, rows, self._spec, self._how, rng), torch.from_numpy(rows)

    def _draw(self, members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(members, self._photos, replace=len(members) < self._photos)
