"""What the two stages teach: a stage brings its batches and its loss, the loop does the rest."""

from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from app.vectors import Matrix
from training.faces.batches import CropSpec, DistillationBatches, IdentityBatches
from training.faces.config import DistillConfig, TripletConfig
from training.faces.crops import CropSet
from training.faces.losses import (
    direct_distillation,
    relational_distillation,
    squared_distance,
)
from training.faces.miners import HardMiner, Miner, RandomMiner, SemiHardMiner

Batches: TypeAlias = Dataset[tuple[Tensor, Tensor]]


class Lesson(NamedTuple):
    """One batch's loss, and the share of its terms that are above zero: what still teaches."""

    loss: Tensor
    teaching: float


class Objective(Protocol):
    """A stage of training."""

    name: str
    batches: Batches

    def __call__(self, embeddings: Tensor, rows: Tensor) -> Lesson: ...


class Distil:
    """Stage one: point where the teacher points, keep the teacher's relations."""

    name = "distil"

    def __init__(
        self, config: DistillConfig, spec: CropSpec, crops: CropSet, targets: Matrix
    ) -> None:
        self.batches: Batches = DistillationBatches(
            crops, spec, config.augmentation, config.batch, config.seed
        )
        self._targets = torch.from_numpy(targets)
        self._weight = config.relational_weight

    def __call__(self, embeddings: Tensor, rows: Tensor) -> Lesson:
        """Direct plus weighted relational distillation."""
        teacher = self._targets[rows].to(embeddings.device)
        direct = direct_distillation(embeddings, teacher)
        return Lesson(direct + self._weight * relational_distillation(embeddings, teacher), 1.0)


class TripletTuning:
    """Stage two: the triplet loss over mined triplets, holding on to the teacher."""

    name = "triplet"

    def __init__(
        self, config: TripletConfig, spec: CropSpec, crops: CropSet, targets: Matrix
    ) -> None:
        self.batches: Batches = IdentityBatches(
            crops, spec, config.augmentation, config.people, config.photos, config.seed
        )
        _, labels = np.unique(crops.identity, return_inverse=True)
        self._labels = torch.from_numpy(labels)
        self._targets = torch.from_numpy(targets)
        self._config = config
        self._miner = make_miner(config)

    def __call__(self, embeddings: Tensor, rows: Tensor) -> Lesson:
        """Mean triplet loss over the mined triplets; zero where none is left to learn from."""
        config = self._config
        labels = self._labels[rows].to(embeddings.device)
        triplets = self._miner(embeddings.detach(), labels)
        anchor = embeddings[triplets.anchor]
        near = squared_distance(anchor, embeddings[triplets.positive])
        far = squared_distance(anchor, embeddings[triplets.negative])
        terms = torch.relu(near - far + config.margin)
        teaching = float((terms > 0).float().mean()) if len(terms) else 0.0
        loss = terms.sum() / max(1, len(terms))
        if config.teacher_weight:
            teacher = self._targets[rows].to(embeddings.device)
            loss = loss + config.teacher_weight * direct_distillation(embeddings, teacher)
        return Lesson(loss, teaching)


def make_miner(config: TripletConfig) -> Miner:
    """The miner that the configuration names."""
    if config.mining == "random":
        return RandomMiner(config.seed)
    return HardMiner() if config.mining == "hard" else SemiHardMiner(config.margin)
