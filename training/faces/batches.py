"""Batches as a pure function of (seed, step): a resumed run sees what it would have seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from app.faces.pipeline.types import Image, Points
from app.vectors import Matrix
from training.faces.augment import Augmentation, augmented_crop
from training.faces.blends import blend
from training.faces.crops import CropSet
from training.faces.teacher import Teacher


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
    return _stacked(images)


def _stacked(images: list[Image]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))


class Batch(NamedTuple):
    """One step's material.

    `pixels` (n, 3, size, size) uint8; `rows` (n,) of the crops they were cut from, -1 for a
    blend; `targets` (n, dimension), what the teacher says of each.
    """

    pixels: Tensor
    rows: Tensor
    targets: Tensor


Batches: TypeAlias = Dataset[Batch]
MakeTeacher: TypeAlias = Callable[[], Teacher]
"""Opens the teacher; called in the process that prepares the batches."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Crops, and the teacher's unit vector for each: shape (len(crops), dimension)."""

    crops: CropSet
    targets: Matrix


class Blends:
    """Fresh faces of nobody, each with the teacher's word on it. Opens the teacher at first use."""

    def __init__(
        self, crops: CropSet, spec: CropSpec, how: Augmentation, make_teacher: MakeTeacher
    ) -> None:
        # The teacher judges a blend as it lies there: its mirror image is another batch's.
        self._crops, self._spec, self._how = crops, spec, replace(how, flip=0.0)
        self._make_teacher = make_teacher
        self._teacher: Teacher | None = None

    def make(self, count: int, rng: np.random.Generator) -> Batch:
        """`count` of them; the student's view is augmented, the teacher's is not."""
        if self._teacher is None:
            self._teacher = self._make_teacher()
        spec = self._spec
        faces = [blend(self._crops, rng) for _ in range(count)]
        targets = self._teacher.embed(
            [face.image for face in faces], [face.landmarks for face in faces]
        )
        images = [
            augmented_crop(face.image, face.landmarks, spec.template, spec.size, self._how, rng)
            for face in faces
        ]
        nowhere = torch.full((count,), -1)
        return Batch(_stacked(images), nowhere, torch.from_numpy(targets))


def together(first: Batch, second: Batch) -> Batch:
    """One batch after the other."""
    return Batch(*(torch.cat(pair) for pair in zip(first, second, strict=True)))


class DistillationBatches(Dataset[Batch]):
    """Item `step` is that step's batch: photos in shuffled epochs, then fresh blends."""

    def __init__(
        self,
        photos: Photos,
        spec: CropSpec,
        how: Augmentation,
        sizes: tuple[int, int],
        seed: int,
        make_teacher: MakeTeacher,
    ) -> None:
        """`sizes` is how many photos, and how many blends, a batch has."""
        self._photos, self._spec, self._how = photos, spec, how
        (self._real, self._blended), self._seed = sizes, seed
        self._blends = Blends(photos.crops, spec, how, make_teacher)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self._seed, step))
        rows = np.array([self._row(step * self._real + i) for i in range(self._real)], dtype=int)
        pixels = cut(self._photos.crops, rows, self._spec, self._how, rng)
        batch = Batch(pixels, torch.from_numpy(rows), torch.from_numpy(self._photos.targets[rows]))
        if not self._blended:
            return batch
        return together(batch, self._blends.make(self._blended, rng))

    def _row(self, position: int) -> int:
        crops = len(self._photos.crops)
        epoch, offset = divmod(position, crops)
        if self._order[0] != epoch:
            shuffled = np.random.default_rng((self._seed, 7, epoch)).permutation(crops)
            self._order = (epoch, shuffled)
        return int(self._order[1][offset])


def load_from(batches: Batches, first: int, last: int, workers: int) -> DataLoader[Batch]:
    """Steps `first` to `last - 1` in order, prepared ahead by `workers` processes."""
    return DataLoader(batches, batch_size=None, sampler=range(first, last), num_workers=workers)


def to_network(pixels: Tensor, mean: float, std: float, device: torch.device) -> Tensor:
    """uint8 pixels -> `(pixel - mean) / std`, channels last, on `device`."""
    scaled = (pixels.to(device, non_blocking=True).float() - mean) / std
    return scaled.contiguous(memory_format=torch.channels_last)


class IdentityBatches(Dataset[Batch]):
    """P x K batches: item `step` shows P identities with K crops each, one after the other.

    Only people with two crops or more take part; who has fewer than K is drawn with repetition.
    After them come strangers, photos without an identity, each twice (augmented anew), and
    blends, which are for holding on to the teacher only.
    """

    def __init__(
        self,
        photos: Photos,
        spec: CropSpec,
        how: Augmentation,
        sizes: tuple[int, int, int, int],
        seed: int,
        make_teacher: MakeTeacher,
    ) -> None:
        """`sizes` is P, K, how many strangers, and how many blends."""
        self._photos, self._spec, self._how, self._seed = photos, spec, how, seed
        people, self._each, strangers, self._blended = sizes
        self._blends = Blends(photos.crops, spec, how, make_teacher)
        crops = photos.crops
        names, counts = np.unique(crops.identity, return_counts=True)
        self._members = [
            np.flatnonzero(crops.identity == name)
            for name, count in zip(names, counts, strict=True)
            if name != "" and count >= 2
        ]
        if len(self._members) < 2:
            raise ValueError("triplets need at least two people with two crops each")
        self._alone = np.flatnonzero(crops.identity == "")
        self._people = min(people, len(self._members))
        self._strangers = min(strangers, len(self._alone))

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self._seed, 11, step))
        chosen = rng.choice(len(self._members), self._people, replace=False)
        drawn = [self._draw(self._members[number], rng) for number in chosen]
        alone = rng.permutation(self._alone)[: self._strangers]
        rows = np.concatenate([*drawn, np.repeat(alone, 2)])
        pixels = cut(self._photos.crops, rows, self._spec, self._how, rng)
        batch = Batch(pixels, torch.from_numpy(rows), torch.from_numpy(self._photos.targets[rows]))
        if not self._blended:
            return batch
        return together(batch, self._blends.make(self._blended, rng))

    def _draw(self, members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(members, self._each, replace=len(members) < self._each)
