"""Faces of nobody: blends of two aligned faces, which the teacher can judge like any other.

A student that only sees the same photos again and again learns them by heart. A blend of two
faces lies between its parents and is a person of its own to the teacher (its similarity to
either parent is about 0.4), so it is new material for distillation.
"""

import numpy as np
from tqdm import tqdm

from app.faces.align import similarity_transform, warp
from training.faces.crops import CropSet


def make_morphs(crops: CropSet, count: int, seed: int) -> CropSet:
    """`count` blends of random pairs, each aligned to its first parent; no identity, no group."""
    rng = np.random.default_rng((seed, 23))
    first = rng.integers(0, len(crops), count)
    second = (first + rng.integers(1, len(crops), count)) % len(crops)
    share = rng.uniform(0.35, 0.65, count)
    size = crops.images.shape[1]
    images = np.empty((count, size, size, 3), dtype=np.uint8)
    for row in tqdm(range(count), desc="morphs", mininterval=2):
        a, b = first[row], second[row]
        onto = similarity_transform(crops.landmarks[b], crops.landmarks[a])
        other = warp(crops.images[b], onto, size)
        blend = share[row] * crops.images[a] + (1.0 - share[row]) * other
        images[row] = blend.astype(np.uint8)
    nothing = np.full(count, "")
    return CropSet(
        files=np.array([f"morph-{seed}-{row}" for row in range(count)]),
        images=images,
        landmarks=crops.landmarks[first],
        source=np.full(count, "morph"),
        identity=nothing,
        group=nothing,
        age=np.full(count, -1),
    )
