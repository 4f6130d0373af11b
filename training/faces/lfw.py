"""Reads and embeds Labeled Faces in the Wild (Huang et al. 2007), the test set."""

import os
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.errors import SimaError
from app.faces.decisions.normalisation import ScoreNormaliser
from app.faces.pipeline.decode import ImageLimits, decode
from app.faces.pipeline.pipeline import FacePipeline, ImageAnalysis
from app.faces.pipeline.types import Box, Detection, Face, Image
from app.timings import Timings
from app.vectors import Vector

# Medians of MTCNN's landmarks of the central faces, as fractions of the photo's side.
_FUNNELED = np.array(
    [[0.415, 0.450], [0.585, 0.445], [0.501, 0.547], [0.429, 0.633], [0.578, 0.630]]
)


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pair list: file names, whether both show one person, and the fold, 0 to 9."""

    a: list[str]
    b: list[str]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]


def read_pairs(file: Path) -> Pairs:
    """Read `pairs.txt`: ten folds of 300 genuine and 300 impostor pairs.

    Raises ValueError if the number of pairs is not the one in its first line.
    """
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
        raise ValueError(f"{file.name} has {len(a)} pairs; its first line states {len(fold)}")
    return Pairs(a, b, np.array(same), fold)


@dataclass(frozen=True, slots=True)
class PhotoVectors:
    """Unit vectors of the faces of one photo; None if no face was detected.

    `subject` is the face that `/verify` compares, `largest` the largest face. `aligned` is the face
    nearest to the centre (the one that LFW labels); if none was detected, it is cut at the median
    landmarks of the funneled photos. It measures the embedder without the detector's errors.
    """

    subject: Vector | None
    largest: Vector | None
    aligned: Vector


def embed_photos(archive: Path, pipeline: FacePipeline) -> dict[str, PhotoVectors]:
    """Vectors of every photo in the tar file, by file name, from the whole serving pipeline."""
    with tarfile.open(archive) as tar:
        files = [m for m in tar if m.isfile() and m.name.endswith(".jpg")]
        photos = [(Path(m.name).name, _read(tar, m)) for m in files]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        embed = partial(_embed_photo, pipeline)
        done = tqdm(pool.map(embed, photos), total=len(photos), desc="LFW", mininterval=5)
        return dict(done)


def _embed_photo(pipeline: FacePipeline, item: tuple[str, bytes]) -> tuple[str, PhotoVectors]:
    name, data = item
    try:
        analysis = pipeline.analyze(data, Timings())
    except SimaError:
        analysis = ImageAnalysis(0, 0, ())
    if not analysis.faces:
        photo = decode(data, ImageLimits()).full()
        crop = pipeline.embedder.crop(photo, _funneled_face(photo))
        return name, PhotoVectors(None, None, pipeline.embedder.embed([crop])[0])
    centre = np.array([analysis.width, analysis.height]) / 2
    central = min(analysis.faces, key=lambda face: _offset(face, centre))
    chosen = [analysis.subject(), analysis.largest(), central]
    distinct = list({id(face): face for face in chosen}.values())
    embeddings = pipeline.embed(distinct, Timings())
    vectors = {id(face): vector for face, vector in zip(distinct, embeddings, strict=True)}
    subject, largest, aligned = (vectors[id(face)] for face in chosen)
    return name, PhotoVectors(subject, largest, aligned)


def _offset(face: Face, centre: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(face.detection.box.centre - centre))


def _funneled_face(photo: Image) -> Detection:
    """The usual position of the face, which deep funneling makes similar in all photos."""
    side = photo.shape[0]
    box = Box(0.32 * side, 0.27 * side, 0.36 * side, 0.46 * side)
    return Detection(box, _FUNNELED * side, 1.0)


def pair_scores(
    pairs: Pairs, embed: Callable[[str], Vector | None], normaliser: ScoreNormaliser
) -> NDArray[np.float64]:
    """Normalised score of each pair, shape (n,); NaN where a photo has no face."""
    names = sorted({*pairs.a, *pairs.b})
    found = {name: vector for name in names if (vector := embed(name)) is not None}
    corrections = normaliser.corrections(np.array(list(found.values())))
    correction = dict(zip(found, corrections.tolist(), strict=True))

    def score(a: str, b: str) -> float:
        if a not in found or b not in found:
            return float("nan")
        return float(found[a] @ found[b]) - correction[a] - correction[b]

    return np.array([score(a, b) for a, b in zip(pairs.a, pairs.b, strict=True)])


def identity_of(photo: str) -> str:
    """The identity in a file name: `Some_Body` for `Some_Body_0003.jpg`."""
    return photo.rsplit("_", 1)[0]


def _name(person: str, number: str) -> str:
    return f"{person}_{int(number):04d}.jpg"


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    assert stream is not None, "members are files"
    return stream.read()
