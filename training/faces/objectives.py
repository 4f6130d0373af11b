"""What the two stages teach: a stage brings its batches and its loss, the loop does the rest."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from training.faces.batches import (
    Batch,
    Batches,
    CropSpec,
    DistillationBatches,
    IdentityBatches,
    MakeTeacher,
    Photos,
)
from training.faces.config import DistillConfig, TripletConfig
from training.faces.losses import (
    direct_distillation,
    pair_terms,
    relational_distillation,
    squared_distance,
)
from training.faces.miners import HardMiner, Miner, RandomMiner, SemiHardMiner


class Lesson(NamedTuple):
    """One batch's loss, and the share of its terms that are above zero: what still teaches."""

    loss: Tensor
    teaching: float


class Objective(Protocol):
    """A stage of training."""

    name: str
    batches: Batches

    def __call__(self, embeddings: Tensor, batch: Batch) -> Lesson: ...


class Distil:
    """Stage one: point where the teacher points, keep the teacher's relations."""

    name = "distil"

    def __init__(
        self, config: DistillConfig, spec: CropSpec, photos: Photos, make_teacher: MakeTeacher
    ) -> None:
        blends = round(config.batch * config.blends)
        sizes = (config.batch - blends, blends)
        self.batches: Batches = DistillationBatches(
            photos, spec, config.augmentation, sizes, config.seed, make_teacher
        )
        self._weight = config.relational_weight

    def __call__(self, embeddings: Tensor, batch: Batch) -> Lesson:
        """Direct plus weighted relational distillation."""
        teacher = batch.targets.to(embeddings.device)
        direct = direct_distillation(embeddings, teacher)
        return Lesson(direct + self._weight * relational_distillation(embeddings, teacher), 1.0)


class TripletTuning:
    """Stage two: the triplet loss over mined triplets, holding on to the teacher."""

    name = "triplet"

    def __init__(
        self, config: TripletConfig, spec: CropSpec, photos: Photos, make_teacher: MakeTeacher
    ) -> None:
        sizes = (config.people, config.photos, config.strangers, config.blends)
        self.batches: Batches = IdentityBatches(
            photos, spec, config.augmentation, sizes, config.seed, make_teacher
        )
        identity = photos.crops.identity
        people = np.where(identity == "", photos.crops.files, identity)
        self._labels = torch.from_numpy(np.unique(people, return_inverse=True)[1])
        self._named = torch.from_numpy(identity != "")
        self._config = config
        self._miner = make_miner(config)

    def __call__(self, embeddings: Tensor, batch: Batch) -> Lesson:
        """Mean loss over the mined triplets (zero where none is left), and the teacher's part."""
        config, real = self._config, batch.rows >= 0
        photos = embeddings[real.to(embeddings.device)]
        rows, targets = batch.rows[real], batch.targets[real]
        labels = self._labels[rows].to(embeddings.device)
        unsure = self._unsure(rows, targets).to(embeddings.device)
        triplets = self._miner(photos.detach(), labels, unsure)
        anchor = photos[triplets.anchor]
        positive, negative = photos[triplets.positive], photos[triplets.negative]
        terms = self._terms(anchor, positive, negative)
        teaching = float((terms > 0).float().mean()) if len(terms) else 0.0
        loss = terms.sum() / max(1, len(terms))
        teacher = batch.targets.to(embeddings.device)
        if config.teacher_weight:
            loss = loss + config.teacher_weight * direct_distillation(embeddings, teacher)
        if config.relational_weight:
            relations = relational_distillation(embeddings, teacher)
            loss = loss + config.relational_weight * relations
        return Lesson(loss, teaching)

    def _terms(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        near, far = squared_distance(anchor, positive), squared_distance(anchor, negative)
        return torch.relu(near - far + self._config.margin)

    def _unsure(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Pairs that may show one person: the teacher thinks so, and no label says otherwise."""
        alike = targets @ targets.T > self._config.trust
        named = self._named[rows]
        return alike & ~(named[:, None] & named[None, :])


class SiamesePairs(TripletTuning):
    """The same stage with the pair loss: a triplet is a genuine and an impostor pair."""

    name = "siamese"

    def _terms(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        same = torch.arange(2 * len(anchor), device=anchor.device) < len(anchor)
        first, second = torch.cat([anchor, anchor]), torch.cat([positive, negative])
        return pair_terms(first, second, same, self._config.margin)


def make_miner(config: TripletConfig) -> Miner:
    """The miner that the configuration names."""
    if config.mining == "random":
        return RandomMiner(config.seed)
    return HardMiner() if config.mining == "hard" else SemiHardMiner(config.margin)
