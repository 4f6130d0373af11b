"""The teacher's embeddings of every crop, computed once and kept on disk."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.faces.embed import Embedder
from app.faces.types import Box, Detection, Image
from app.vectors import Matrix, l2_normalize
from training.faces.crops import CropSet

_NOWHERE = Box(0, 0, 0, 0)  # a five-point crop needs no box
_CHUNK = 16


def crop_for(embedder: Embedder, crops: CropSet, row: int) -> Image:
    """Crop `row` cut once more, the way `embedder` wants it, by the serving code."""
    found = Detection(_NOWHERE, crops.landmarks[row], 1.0)
    return embedder.crop(crops.images[row], found)


def embed_crops(embedder: Embedder, crops: CropSet, mirror: bool = False) -> Matrix:
    """Unit vectors, shape (len(crops), dimension); `mirror` averages with the mirror image."""

    def embed(start: int) -> Matrix:
        rows = range(start, min(start + _CHUNK, len(crops)))
        images = [crop_for(embedder, crops, row) for row in rows]
        vectors = embedder.embed(images)
        if mirror:
            vectors = vectors + embedder.embed([image[:, ::-1] for image in images])
        return l2_normalize(vectors)

    starts = range(0, len(crops), _CHUNK)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bar = tqdm(pool.map(embed, starts), total=len(starts), desc="embedding", mininterval=2)
        return np.concatenate(list(bar))


def load_or_embed(
    path: Path, embedder: Embedder, crops: CropSet, mirror: bool = True
) -> NDArray[np.float32]:
    """Targets for `crops` from `path`, made first where the file is missing or another's."""
    if path.exists():
        kept = np.load(path)
        known = str(kept["digest"]) == embedder.space.digest
        if known and np.array_equal(kept["files"], crops.files):
            return np.asarray(kept["embeddings"], dtype=np.float32)
    embeddings = embed_crops(embedder, crops, mirror)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, digest=embedder.space.digest, files=crops.files, embeddings=embeddings)
    return embeddings
