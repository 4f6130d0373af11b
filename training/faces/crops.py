"""Labelled face crops for training, and how they are read from shards."""

import csv
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.faces.pipeline.types import Image
from training.faces.images import Images, Pixels

_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
ADULT = 18
"""Age in years from which a face counts as an adult."""

CALIBRATION_SOURCES = ("mebeauty",)
"""Sources used for calibration only: one photo per person, six origins, about 320 people each."""


@dataclass(frozen=True, slots=True)
class CropSet:
    """Parallel arrays over n crops.

    `images` are RGB, (size, size, 3) uint8; `landmarks` (n, 5, 2) in crop pixels; `identity` and
    `group` are empty if unknown, `age` is -1; `group` and `age` are used for calibration only.
    """

    files: NDArray[np.str_]
    images: Images
    landmarks: NDArray[np.float64]
    source: NDArray[np.str_]
    identity: NDArray[np.str_]
    group: NDArray[np.str_]
    age: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "CropSet":
        """The crops in `rows`, a mask or indices. Their pixels are shared, not copied."""
        return CropSet(
            self.files[rows],
            self.images.take(rows),
            self.landmarks[rows],
            self.source[rows],
            self.identity[rows],
            self.group[rows],
            self.age[rows],
        )


def held_out(crops: CropSet) -> NDArray[np.bool_]:
    """Mask of the crops that no training uses, shape (len(crops),).

    An eighth of the identities and of the crops without one, chosen by a checksum of the identity
    (else of the file name), so that the choice does not change when data is added. In addition
    every crop of CALIBRATION_SOURCES, since an eighth of those would be too few.
    """
    keys = np.where(crops.identity == "", crops.files, crops.identity)
    eighth = np.array([zlib.crc32(str(key).encode()) % 8 == 0 for key in keys])
    return eighth | np.isin(crops.source, CALIBRATION_SOURCES)


def read_shards(folder: Path, limit: int | None = None) -> CropSet:
    """Read `index.csv` and the tar shards in the same folder.

    `limit` reads about that many crops: all crops of people evenly spread over the index. Raises
    ValueError if a shard has an unreadable image or no crop is found.
    """
    with (folder / "index.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if limit is not None and limit < len(rows):
        people = list(dict.fromkeys(row["identity"] or row["file"] for row in rows))
        chosen = set(people[:: -(-len(rows) // limit)])
        rows = [row for row in rows if (row["identity"] or row["file"]) in chosen]
    place = {row["file"]: number for number, row in enumerate(rows)}
    pixels: Pixels | None = None
    shards = sorted({row["shard"] for row in rows})
    with tqdm(total=len(rows), desc="reading crops", unit="crop", mininterval=2) as bar:
        for shard in shards:
            for name, image in _images(folder / shard, place):
                if pixels is None:
                    pixels = np.empty((len(rows), *image.shape), dtype=np.uint8)
                pixels[place[name]] = image
                bar.update()
    if pixels is None:
        raise ValueError(f"no crop of index.csv found in the shards of {folder}")
    return CropSet(
        files=np.array([row["file"] for row in rows]),
        images=Images(pixels),
        landmarks=np.array(
            [[[float(row[f"{p}_{axis}"]) for axis in "xy"] for p in _POINTS] for row in rows]
        ),
        source=np.array([row["source"] for row in rows]),
        identity=np.array([row["identity"] for row in rows]),
        group=np.array([row["group"] for row in rows]),
        age=np.array([int(row["age"]) if row["age"] else -1 for row in rows]),
    )


def _images(shard: Path, wanted: dict[str, int]) -> Iterator[tuple[str, Image]]:
    with tarfile.open(shard) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            name = Path(member.name).name
            if stream is None or name not in wanted:
                continue
            encoded = np.frombuffer(stream.read(), dtype=np.uint8)
            decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
            if decoded is None:
                raise ValueError(f"{shard.name}: {name} is not a readable image")
            yield name, np.asarray(decoded, dtype=np.uint8)
