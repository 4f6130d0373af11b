"""Synthetic identities as coloured patterns, and a teacher, for tests of the training."""

import numpy as np

from app.vectors import l2_normalize
from tests.models import TRAINED
from training.faces.augment import CropSpec
from training.faces.batches import Photos, TrainingData
from training.faces.crops import CropSet
from training.faces.images import Images
from training.faces.teacher import Teacher, load_teacher

TEMPLATE = np.array([[0.31, 0.46], [0.68, 0.46], [0.5, 0.64], [0.35, 0.82], [0.65, 0.82]])
SPEC = CropSpec(80, TEMPLATE)


def shipped_teacher() -> Teacher:
    """The shipped model as the only teacher; its weights are part of the repository."""
    return Teacher([load_teacher(TRAINED, None)], None)


def synthetic_crops(people: int, photos: int, size: int = 96) -> CropSet:
    """Identities as coloured patterns, with different noise in each photo."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (people, 6, 6, 3))
    big = base.repeat(size // 6, axis=1).repeat(size // 6, axis=2)
    images = np.repeat(big, photos, axis=0) + rng.normal(0, 12, (people * photos, size, size, 3))
    n = people * photos
    return CropSet(
        files=np.array([f"{i:05}.webp" for i in range(n)]),
        images=Images(np.clip(images, 0, 255).astype(np.uint8)),
        landmarks=np.repeat((TEMPLATE * size)[None], n, axis=0),
        source=np.full(n, "synthetic"),
        identity=np.array([f"p{i // photos}" for i in range(n)]),
        group=np.full(n, ""),
        age=np.full(n, 30),
    )


def with_targets(crops: CropSet, dimension: int = 16) -> Photos:
    """Photos with one random unit vector for each person."""
    names, person = np.unique(crops.identity, return_inverse=True)
    directions = np.random.default_rng(0).normal(size=(len(names), dimension))
    return Photos(crops, l2_normalize(directions)[person])


def training_data(photos: Photos) -> TrainingData:
    """Training data of `photos`, 80 pixels, with the shipped model as the teacher."""
    return TrainingData(photos, SPEC, shipped_teacher)
