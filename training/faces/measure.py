"""Measures a student network on held-out crops during training."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from app.vectors import Matrix
from training.faces.augment import NO_AUGMENTATION, CropSpec
from training.faces.batches import Photos
from training.faces.config import NetworkConfig
from training.faces.crops import CropSet
from training.faces.oneshot import OneShotResult, OpenSetResult, one_shot_rank1, open_set
from training.faces.pixels import cut, to_network

_BATCH = 64


@dataclass(frozen=True, slots=True)
class StudentMetrics:
    """`teacher_cosine` is the mean cosine between the student's and the teacher's embeddings."""

    teacher_cosine: float
    one_shot: OneShotResult
    open_set: OpenSetResult


def measure_student(
    student: nn.Module,
    config: NetworkConfig,
    spec: CropSpec,
    device: torch.device,
    photos: Photos,
) -> StudentMetrics:
    """Metrics of `student` on `photos`, cropped without augmentation."""
    embeddings = embed_with(student, config, spec, device, photos.crops)
    cosine = float((embeddings * photos.targets).sum(axis=1).mean())
    identity = photos.crops.identity
    return StudentMetrics(
        cosine, one_shot_rank1(embeddings, identity), open_set(embeddings, identity)
    )


@torch.inference_mode()
def embed_with(
    student: nn.Module,
    config: NetworkConfig,
    spec: CropSpec,
    device: torch.device,
    crops: CropSet,
) -> Matrix:
    """Unit vectors of `crops` from a network in eval mode, shape (len(crops), dimension)."""
    rng = np.random.default_rng(0)
    parts: list[Matrix] = []
    for start in range(0, len(crops), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(crops)))
        pixels = cut(crops, rows, spec, NO_AUGMENTATION, rng)
        batch = to_network(pixels, config, device)
        with torch.autocast(device.type, torch.bfloat16):
            parts.append(student(batch).float().cpu().numpy())
    return np.concatenate(parts)
