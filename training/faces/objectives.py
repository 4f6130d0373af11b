"""Objectives of the training stages: each has its batches and its loss."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from training.faces.batches import (
    BLEND_ROW,
    Batch,
    Batches,
    DistillationBatches,
    DistillationSize,
    IdentityBatches,
    IdentitySize,
    TrainingData,
)
from training.faces.config import DistillConfig, TripletConfig
from training.faces.losses import (
    direct_distillation,
    pair_terms,
    relational_distillation,
    triplet_terms,
)
from training.faces.miners import HardMiner, Miner, RandomMiner, SemiHardMiner
from training.faces.queue import EmbeddingQueue


class BatchLoss(NamedTuple):
    """The loss of one batch, and the share of its terms above zero (active triplets)."""

    loss: Tensor
    active: float


class Objective(Protocol):
    """A stage's batches and loss; calling it computes the loss of one batch's embeddings."""

    name: str
    batches: Batches

    def __call__(self, embeddings: Tensor, batch: Batch) -> BatchLoss: ...


class Distillation:
    """Stage one: direct and relational distillation from the teacher's embeddings.

    With `queue` in the configuration, relations to the most similar embeddings of past steps count
    as well.
    """

    name = "distil"

    def __init__(self, config: DistillConfig, data: TrainingData) -> None:
        blends = round(config.batch * config.blends)
        size = DistillationSize(config.batch - blends, blends, config.balanced_blends)
        self.batches: Batches = DistillationBatches(data, size, config.augmentation, config.seed)
        self._config = config
        self._queue = EmbeddingQueue(config.queue) if config.queue else None

    def __call__(self, embeddings: Tensor, batch: Batch) -> BatchLoss:
        """Direct plus weighted relational distillation."""
        teacher = batch.targets.to(embeddings.device)
        relations = relational_distillation(embeddings, teacher)
        loss = direct_distillation(embeddings, teacher) + self._config.relational_weight * relations
        if self._queue is not None:
            hard = self._queue.hard_pairs(embeddings, teacher, self._config.hardest)
            loss = loss + self._config.queue_weight * hard
            self._queue.append(embeddings, teacher)
        return BatchLoss(loss, 1.0)


class TripletTuning:
    """Stage two: the triplet loss over mined triplets, regularised by distillation."""

    name = "triplet"

    def __init__(self, config: TripletConfig, data: TrainingData) -> None:
        size = IdentitySize(config.people, config.photos, config.strangers, config.blends)
        self.batches: Batches = IdentityBatches(data, size, config.augmentation, config.seed)
        crops = data.photos.crops
        people = np.where(crops.identity == "", crops.files, crops.identity)
        self._labels = torch.from_numpy(np.unique(people, return_inverse=True)[1])
        self._named = torch.from_numpy(crops.identity != "")
        self._config = config
        self._miner = make_miner(config)

    def __call__(self, embeddings: Tensor, batch: Batch) -> BatchLoss:
        """Mean loss over the mined triplets (0 without any) plus the distillation losses.

        Blends take part in the distillation losses only.
        """
        terms = self._mined_terms(embeddings, batch)
        active = float((terms > 0).float().mean()) if len(terms) else 0.0
        loss = terms.sum() / max(1, len(terms))
        return BatchLoss(loss + self._distillation(embeddings, batch), active)

    def _mined_terms(self, embeddings: Tensor, batch: Batch) -> Tensor:
        """Loss of each mined triplet, shape (triplets,)."""
        device, real = embeddings.device, batch.rows != BLEND_ROW
        photos = embeddings[real.to(device)]
        rows, targets = batch.rows[real], batch.targets[real]
        labels = self._labels[rows].to(device)
        ambiguous = self._ambiguous(rows, targets).to(device)
        triplets = self._miner(photos.detach(), labels, ambiguous)
        return self._terms(
            photos[triplets.anchor], photos[triplets.positive], photos[triplets.negative]
        )

    def _distillation(self, embeddings: Tensor, batch: Batch) -> Tensor:
        """Weighted direct and relational distillation; a weight of 0 skips its computation."""
        config, teacher = self._config, batch.targets.to(embeddings.device)
        loss = embeddings.new_zeros(())
        if config.teacher_weight:
            loss = loss + config.teacher_weight * direct_distillation(embeddings, teacher)
        if config.relational_weight:
            relations = relational_distillation(embeddings, teacher)
            loss = loss + config.relational_weight * relations
        return loss

    def _terms(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_terms(anchor, positive, negative, self._config.margin)

    def _ambiguous(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Mask (n, n) of pairs that may show one person: not both are labelled, and their
        similarity to the teacher is above `trust`.
        """
        alike = targets @ targets.T > self._config.trust
        named = self._named[rows]
        return alike & ~(named[:, None] & named[None, :])


class SiameseTuning(TripletTuning):
    """Stage two with the pair loss: each triplet is one genuine and one impostor pair."""

    name = "siamese"

    def _terms(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        same = torch.arange(2 * len(anchor), device=anchor.device) < len(anchor)
        first, second = torch.cat([anchor, anchor]), torch.cat([positive, negative])
        return pair_terms(first, second, same, self._config.margin)


def make_miner(config: TripletConfig) -> Miner:
    """The miner that `config.mining` names."""
    if config.mining == "random":
        return RandomMiner(config.seed)
    return HardMiner() if config.mining == "hard" else SemiHardMiner(config.margin)
