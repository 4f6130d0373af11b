"""Training batches as a pure function of (seed, step), so that a resumed run gets the same ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from app.vectors import Matrix
from training.faces.augment import Augmentation, CropSpec, augmented_crop
from training.faces.blends import Parents, blend
from training.faces.crops import CropSet
from training.faces.pixels import cut, stack_images
from training.faces.teacher import Teacher

_MOST_STEPS = 2**31
BLEND_ROW = -1
"""Row number of a blend, which was not cut from a crop of the data."""


class Batch(NamedTuple):
    """The input of one training step.

    `pixels` (n, 3, size, size) uint8; `rows` (n,) are the rows of the crops, BLEND_ROW for
    blends; `targets` (n, dimension) are the teacher's unit vectors.
    """

    pixels: Tensor
    rows: Tensor
    targets: Tensor


Batches: TypeAlias = Dataset[Batch]
MakeTeacher: TypeAlias = Callable[[], Teacher]
"""Loads the teacher; called in the process that prepares the batches."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Crops and the teacher's unit vector of each, shape (len(crops), dimension)."""

    crops: CropSet
    targets: Matrix


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The data that the batches of every stage are drawn from."""

    photos: Photos
    spec: CropSpec
    make_teacher: MakeTeacher


@dataclass(frozen=True, slots=True)
class DistillationSize:
    """Number of photos and of blends in a distillation batch.

    `balanced` draws as many blends of each group of people.
    """

    photos: int
    blends: int = 0
    balanced: bool = False


@dataclass(frozen=True, slots=True)
class IdentitySize:
    """P identities with K photos each, photos without an identity, and blends."""

    people: int
    photos: int
    strangers: int = 0
    blends: int = 0


class BlendSource:
    """Generates blends with the teacher's embeddings. Loads the teacher at first use."""

    def __init__(
        self, data: TrainingData, augmentation: Augmentation, balanced: bool = False
    ) -> None:
        # The teacher embeds a blend unflipped, so the student must not see it flipped.
        self._augmentation = replace(augmentation, flip=0.0)
        self._data = data
        self._parents = Parents(data.photos.crops, balanced)
        self._teacher: Teacher | None = None

    def make(self, count: int, rng: Generator) -> Batch:
        """`count` new blends; the student's crops are augmented, the teacher's are not."""
        if self._teacher is None:
            self._teacher = self._data.make_teacher()
        faces = [blend(self._data.photos.crops, self._parents, rng) for _ in range(count)]
        targets = self._teacher.embed(
            [face.image for face in faces], [face.landmarks for face in faces]
        )
        images = [
            augmented_crop(face.image, face.landmarks, self._data.spec, self._augmentation, rng)
            for face in faces
        ]
        rows = torch.full((count,), BLEND_ROW)
        return Batch(stack_images(images), rows, torch.from_numpy(targets))


class _PhotoBatches(Dataset[Batch]):
    """Base of both kinds of batches: cuts the chosen crops and appends blends."""

    def __init__(
        self,
        data: TrainingData,
        blends: int,
        augmentation: Augmentation,
        seed: int,
        balanced: bool = False,
    ) -> None:
        self._data, self._augmentation, self._seed = data, augmentation, seed
        self._blend_count = blends
        self._blends = BlendSource(data, augmentation, balanced)

    def __len__(self) -> int:
        return _MOST_STEPS

    def _batch(self, rows: NDArray[np.int64], rng: Generator) -> Batch:
        photos = self._data.photos
        pixels = cut(photos.crops, rows, self._data.spec, self._augmentation, rng)
        batch = Batch(pixels, torch.from_numpy(rows), torch.from_numpy(photos.targets[rows]))
        if not self._blend_count:
            return batch
        blends = self._blends.make(self._blend_count, rng)
        return Batch(*(torch.cat(pair) for pair in zip(batch, blends, strict=True)))


class DistillationBatches(_PhotoBatches):
    """Item `step` is the batch of that step: photos in shuffled epochs, then new blends."""

    def __init__(
        self, data: TrainingData, size: DistillationSize, augmentation: Augmentation, seed: int
    ) -> None:
        super().__init__(data, size.blends, augmentation, seed, size.balanced)
        self._photos = size.photos
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self._seed, step))
        first = step * self._photos
        rows = np.array([self._row(first + i) for i in range(self._photos)], dtype=np.int64)
        return self._batch(rows, rng)

    def _row(self, position: int) -> int:
        """Row of the crop at `position` of the endless sequence of shuffled epochs."""
        crops = len(self._data.photos.crops)
        epoch, offset = divmod(position, crops)
        if self._epoch != epoch:
            self._order = np.random.default_rng((self._seed, 7, epoch)).permutation(crops)
            self._epoch = epoch
        return int(self._order[offset])


class IdentityBatches(_PhotoBatches):
    """P x K batches: item `step` has P identities with K consecutive crops each.

    Only identities with at least two crops are used; crops of an identity with fewer than K are
    drawn with replacement. They are followed by strangers (crops without an identity), each twice
    with different augmentation, and by blends. Raises ValueError for fewer than two identities.
    """

    def __init__(
        self, data: TrainingData, size: IdentitySize, augmentation: Augmentation, seed: int
    ) -> None:
        super().__init__(data, size.blends, augmentation, seed)
        identity = data.photos.crops.identity
        names, counts = np.unique(identity, return_counts=True)
        self._members = [
            np.flatnonzero(identity == name) for name in names[(names != "") & (counts >= 2)]
        ]
        if len(self._members) < 2:
            raise ValueError("P x K batches need at least two people with at least two crops each")
        self._unnamed = np.flatnonzero(identity == "")
        self._people = min(size.people, len(self._members))
        self._photos = size.photos
        self._strangers = min(size.strangers, len(self._unnamed))

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self._seed, 11, step))
        chosen = rng.choice(len(self._members), self._people, replace=False)
        drawn = [self._draw(self._members[number], rng) for number in chosen]
        strangers = rng.permutation(self._unnamed)[: self._strangers]
        return self._batch(np.concatenate([*drawn, np.repeat(strangers, 2)]), rng)

    def _draw(self, members: NDArray[np.int64], rng: Generator) -> NDArray[np.int64]:
        return rng.choice(members, self._photos, replace=len(members) < self._photos)


def load_from(batches: Batches, items: Sequence[int]) -> DataLoader[Batch]:
    """The batches of `items`, in order, prepared by a process of its own."""
    return DataLoader(batches, batch_size=None, sampler=items, num_workers=1)
