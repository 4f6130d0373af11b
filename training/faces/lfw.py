"""Labeled Faces in the Wild (Huang et al. 2007): the test set, never trained or tuned on."""

import os
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.errors import SimaError
from app.faces.pipeline import FacePipeline
from app.timing import Timings
from app.vectors import Vector


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pair list: photo names, whether they show one person, and the fold from 0 to 9."""

    a: list[str]
    b: list[str]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]


def read_pairs(file: Path) -> Pairs:
    """Read `pairs.txt`: ten folds of 300 genuine and 300 impostor pairs."""
    lines = file.read_text(encoding="utf-8").splitlines()
    folds, per_kind = (int(number) for number in lines[0].split())
    a, b, same = [], [], []
    for line in lines[1:]:
        parts = line.split("\t")
        if len(parts) == 3:
            a.append(_name(parts[0], parts[1]))
            b.append(_name(parts[0], parts[2]))
        else:
            a.append(_name(parts[0], parts[1]))
            b.append(_name(parts[2], parts[3]))
        same.append(len(parts) == 3)
    fold = np.repeat(np.arange(folds), 2 * per_kind)
    if len(a) != len(fold):
        raise ValueError(f"{file.name} announces {len(fold)} pairs and holds {len(a)}")
    return Pairs(a, b, np.array(same), fold)


def embed_photos(archive: Path, pipeline: FacePipeline) -> dict[str, Vector | None]:
    """Every photo through the whole serving pipeline, largest face; None where there is none."""

    def embed(item: tuple[str, bytes]) -> tuple[str, Vector | None]:
        name, data = item
        try:
            sighting = pipeline.look(data, Timings()).largest()
        except SimaError:
            return name, None
        return name, pipeline.embed([sighting], Timings())[0]

    with tarfile.open(archive) as tar:
        files = [m for m in tar if m.isfile() and m.name.endswith(".jpg")]
        photos = [(Path(m.name).name, _read(tar, m)) for m in files]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = tqdm(pool.map(embed, photos), total=len(photos), desc="LFW", mininterval=5)
        return dict(done)


def pair_similarities(pairs: Pairs, embed: Callable[[str], Vector | None]) -> NDArray[np.float64]:
    """Cosine of every pair; NaN where one photo gave no face."""

    def similarity(a: Vector | None, b: Vector | None) -> float:
        return float("nan") if a is None or b is None else float(a @ b)

    return np.array([similarity(embed(a), embed(b)) for a, b in zip(pairs.a, pairs.b, strict=True)])


def _name(person: str, number: str) -> str:
    return f"{person}_{int(number):04d}.jpg"


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    assert stream is not None, "only files are asked for"
    return stream.read()
