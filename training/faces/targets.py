"""Computes the teachers' embeddings of all crops and stores them in the run's folder."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.faces.pipeline.embed import Embedder
from app.faces.pipeline.types import Image
from app.vectors import Matrix, l2_normalize
from training.faces.crops import CropSet, held_out
from training.faces.teacher import (
    TeacherFiles,
    aligned_crop,
    combine,
    load_teacher,
    principal_axes,
)

_CHUNK = 16
_REDUCTION = "reduction.npy"


def crop_for(embedder: Embedder, crops: CropSet, row: int) -> Image:
    """Crop `row`, aligned for `embedder` by the serving code."""
    return aligned_crop(embedder, crops.images[row], crops.landmarks[row])


def embed_crops(
    embedder: Embedder, crops: CropSet, mirror: bool = False, workers: int | None = None
) -> Matrix:
    """Unit vectors of all crops, shape (len(crops), dimension).

    `mirror` averages the embeddings of a crop and of its mirror image. `workers` threads share the
    embedder, by default one for each CPU core.
    """

    def embed(start: int) -> Matrix:
        rows = range(start, min(start + _CHUNK, len(crops)))
        images = [crop_for(embedder, crops, row) for row in rows]
        vectors = embedder.embed(images)
        if mirror:
            vectors = vectors + embedder.embed([image[:, ::-1] for image in images])
        return l2_normalize(vectors)

    if not len(crops):
        return np.empty((0, embedder.space.dimension), dtype=np.float32)
    starts = range(0, len(crops), _CHUNK)
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        bar = tqdm(pool.map(embed, starts), total=len(starts), desc="embedding", mininterval=2)
        return np.concatenate(list(bar))


def load_or_embed(
    path: Path, embedder: Embedder, crops: CropSet, mirror: bool = True, workers: int | None = None
) -> NDArray[np.float32]:
    """Embeddings of `crops`, from `path` if it has those of the same model and the same files.

    Otherwise they are computed and stored in `path`.
    """
    if path.exists():
        stored = np.load(path)
        same_model = str(stored["digest"]) == embedder.space.digest
        if same_model and np.array_equal(stored["files"], crops.files):
            return np.asarray(stored["embeddings"], dtype=np.float32)
    embeddings = embed_crops(embedder, crops, mirror, workers)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, digest=embedder.space.digest, files=crops.files, embeddings=embeddings)
    return embeddings


def distillation_targets(
    run: Path, teachers: TeacherFiles, crops: CropSet, dimension: int
) -> tuple[Matrix, Matrix | None]:
    """Targets of all crops, shape (len(crops), dimension), and the reduction used.

    Each teacher's embeddings are stored in `run/targets-<name>.npz`. The reduction is computed
    once, from the crops that are not held out, and stored in `run/reduction.npy`: another basis
    of the same subspace would give different targets.
    """
    parts = [_teacher_embeddings(run, folder, teachers, crops) for folder in teachers.folders]
    reduction = _load_or_reduce(run / _REDUCTION, parts, ~held_out(crops), dimension)
    return combine(parts, reduction), reduction


def _teacher_embeddings(run: Path, folder: Path, teachers: TeacherFiles, crops: CropSet) -> Matrix:
    """Embeddings of `crops` by one teacher, which is unloaded before the function returns.

    OpenVINO gives the thread an alternate signal stack and restores the former one when a model is
    unloaded. If two models are unloaded in the order of loading, a freed stack remains, and the
    next signal ends the process with SIGSEGV.
    """
    embedder = load_teacher(folder, teachers.weights, fast=True, threads=os.cpu_count() or 1)
    path = run / f"targets-{embedder.manifest.name}.npz"
    workers = 1 if embedder.providers == ("OpenVINO",) else None
    return load_or_embed(path, embedder, crops, workers=workers)


def inherit_reduction(run: Path, start: Path) -> None:
    """Copy the reduction from the folder of the checkpoint `start`, unless `run` has its own.

    The weights of `start` were trained on targets in this basis.
    """
    source = start.parent / _REDUCTION
    if source.exists() and not (run / _REDUCTION).exists():
        run.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, run / _REDUCTION)


def _load_or_reduce(
    path: Path, parts: list[Matrix], seen: NDArray[np.bool_], dimension: int
) -> Matrix | None:
    if path.exists():
        stored: Matrix = np.load(path)
        if stored.shape == (sum(part.shape[1] for part in parts), dimension):
            return stored
    axes = principal_axes([part[seen] for part in parts], dimension)
    if axes is not None:
        np.save(path, axes)
    return axes
