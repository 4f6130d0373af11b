"""How well a student follows its teacher on crops that no training saw."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from app.vectors import Matrix
from training.faces.augment import NONE
from training.faces.batches import CropSpec, Photos, cut, to_network
from training.faces.config import NetworkConfig
from training.faces.crops import CropSet
from training.faces.oneshot import OneShotResult, OpenSetResult, one_shot_rank1, open_set

_BATCH = 64


@dataclass(frozen=True, slots=True)
class StudentMetrics:
    """`teacher_cosine` is the mean similarity of a crop's two embeddings, student and teacher."""

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
    """Embed the photos as served (no augmentation) and compare."""
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
    """Unit vectors of `crops`, shape (n, dimension), by a torch network in eval mode."""
    rng = np.random.default_rng(0)
    parts: list[Matrix] = []
    for start in range(0, len(crops), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(crops)))
        pixels = cut(crops, rows, spec, NONE, rng)
        batch = to_network(pixels, config.mean, config.std, device)
        with torch.autocast(device.type, torch.bfloat16):
            parts.append(student(batch).float().cpu().numpy())
    return np.concatenate(parts)
