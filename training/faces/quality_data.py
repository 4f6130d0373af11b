"""Faces with measured recognition: crops, clean and spoiled, and their similarity to other photos.

The target of a face is the mean cosine of its embedding with the clean embeddings of the other
photos of the same person, as in FaceQnet (Hernandez-Ortega et al. 2019), but over all of them.
"""

import csv
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from skimage import data as skimage_data
from tqdm import tqdm

from app.faces.pipeline.embed import Embedder
from app.faces.pipeline.quality_model import CROP_SIZE, quality_crop, to_grey
from app.faces.pipeline.types import Image, Points
from app.vectors import l2_normalize
from training.faces.crops import CropSet, held_out, read_shards
from training.faces.drawings import drawing
from training.faces.spoiling import MISALIGNMENTS, SPOILS
from training.faces.teacher import aligned_crop

VERSIONS = 3
"""Versions of each crop: 0 is clean, the others are spoiled once each."""

KINDS = (*SPOILS, *MISALIGNMENTS)
_BATCH = 32
_FACELESS = ("coffee", "chelsea", "rocket", "brick", "grass", "gravel", "coins", "page", "moon")


@dataclass(frozen=True, slots=True)
class QualityData:
    """Parallel arrays over n crops of labelled people, with VERSIONS versions v of each.

    `grey` (n, v, size, size) uint8 is the network's input; `landmarks` (n, v, 5, 2) those that the
    crop was cut by; `kind` (n, v) indexes KINDS, -1 for clean; `vectors` (n, v, d) are embeddings;
    `mirror` (n, v) is the cosine of the crop's embedding with the mirror image's; `identity` (n,)
    and `held_out` (n,) as in CropSet.
    """

    grey: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    kind: NDArray[np.int8]
    vectors: NDArray[np.float32]
    mirror: NDArray[np.float32]
    identity: NDArray[np.str_]
    held_out: NDArray[np.bool_]

    def targets(self) -> NDArray[np.float32]:
        """Mean cosine with the clean other photos of the person, shape (n, v)."""
        _, person = np.unique(self.identity, return_inverse=True)
        clean = self.vectors[:, 0]
        sums = np.zeros((person.max() + 1, clean.shape[1]), dtype=np.float32)
        np.add.at(sums, person, clean)
        others = sums[person] - clean
        count = np.bincount(person)[person] - 1
        return np.einsum("nvd,nd->nv", self.vectors, others) / count[:, None]

    def save(self, path: Path) -> None:
        """Writes the arrays to an .npz file."""
        np.savez(path, **asdict(self))


def load_data(path: Path) -> QualityData:
    """Reads the file that `QualityData.save` wrote."""
    with np.load(path) as arrays:
        return QualityData(**{name: arrays[name] for name in arrays.files})


def collect(folder: Path, embedder: Embedder, photos: int, seed: int = 0) -> QualityData:
    """Cuts, spoils and embeds at most `photos` crops of each person with several photos.

    `embedder` must not average over the mirror image, because this function does.
    """
    rng = np.random.default_rng(seed)
    crops = _read(folder, photos, rng)
    n, dimension = len(crops), embedder.space.dimension
    shape = (n, VERSIONS)
    found = QualityData(
        grey=np.empty((*shape, CROP_SIZE, CROP_SIZE), dtype=np.uint8),
        landmarks=np.empty((*shape, 5, 2), dtype=np.float32),
        kind=np.full(shape, -1, dtype=np.int8),
        vectors=np.empty((*shape, dimension), dtype=np.float32),
        mirror=np.empty(shape, dtype=np.float32),
        identity=crops.identity,
        held_out=held_out(crops),
    )
    for start in tqdm(range(0, n, _BATCH), desc="embedding", mininterval=5):
        rows = range(start, min(start + _BATCH, n))
        batch = [
            _version(crops, found, row, v, rng, embedder) for row in rows for v in range(VERSIONS)
        ]
        plain = embedder.embed(batch)
        mirrored = embedder.embed([crop[:, ::-1] for crop in batch])
        stop = rows.stop
        found.vectors[start:stop] = l2_normalize(plain + mirrored).reshape(-1, VERSIONS, dimension)
        found.mirror[start:stop] = (plain * mirrored).sum(axis=1).reshape(-1, VERSIONS)
    return found


def faceless_crops(number: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random squares of images without faces, shape (number, size, size), grey."""
    rng = np.random.default_rng(seed)
    crops = []
    for count in range(number):
        image = np.asarray(getattr(skimage_data, _FACELESS[count % len(_FACELESS)])())
        grey = image if image.ndim == 2 else to_grey(np.ascontiguousarray(image[:, :, :3]))
        side = int(rng.integers(30, min(grey.shape) * 4 // 5))
        top, left = (int(rng.integers(0, length - side)) for length in grey.shape)
        square = np.ascontiguousarray(grey[top : top + side, left : left + side])
        crops.append(cv2.resize(square, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA))
    return np.asarray(crops, dtype=np.uint8)


def drawn_crops(style: str, number: int, seed: int = 0) -> NDArray[np.uint8]:
    """Drawn faces, aligned with small errors of the landmarks, shape (number, size, size), grey."""
    rng = np.random.default_rng((seed, 3))
    crops = []
    for _ in range(number):
        face = drawing(style, rng)
        eyes = face.landmarks[1, 0] - face.landmarks[0, 0]
        points = face.landmarks + rng.normal(0.0, 0.06 * eyes, (5, 2))
        crops.append(quality_crop(face.image, points))
    return np.asarray(crops, dtype=np.uint8)


def _version(
    crops: CropSet, found: QualityData, row: int, v: int, rng: Generator, embedder: Embedder
) -> Image:
    """Fills one version of one crop except its embedding. Returns the embedder's crop."""
    points: Points = crops.landmarks[row]
    image: Image = crops.images[row]
    name = ""
    severity = float(rng.random())
    if v:
        found.kind[row, v] = rng.integers(len(KINDS))
        name = KINDS[found.kind[row, v]]
    if name in MISALIGNMENTS:
        points = MISALIGNMENTS[name](points, severity, rng)
    if name in SPOILS:
        image = SPOILS[name](image, severity, rng)
    found.landmarks[row, v] = points
    found.grey[row, v] = quality_crop(image, points)
    return aligned_crop(embedder, image, points)


def _read(folder: Path, photos: int, rng: Generator) -> CropSet:
    """Reads the crops of people with several photos only, through an index of those."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    people: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row["identity"]:
            people.setdefault(row["identity"], []).append(row)
    chosen = []
    for photos_of in (found for found in people.values() if len(found) > 1):
        order = rng.permutation(len(photos_of))
        chosen += [photos_of[i] for i in order[:photos]]
    with tempfile.TemporaryDirectory() as name:
        selection = Path(name)
        for shard in {row["shard"] for row in chosen}:
            (selection / shard).symlink_to((folder / shard).resolve())
        with (selection / "index.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(chosen)
        return read_shards(selection)
