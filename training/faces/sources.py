"""Where training photos come from: crop shards, or a folder an identity."""

from pathlib import Path

from app.faces.pipeline.mtcnn import Mtcnn
from app.inference.session import choose_providers
from training.faces.crops import CropSet, read_shards
from training.faces.folders import read_folders


def read_crops(folder: Path, limit: int | None = None) -> CropSet:
    """Shards where there is an `index.csv`, else one sub-folder of photos an identity.

    `limit` keeps so many crops of the shards, evenly spread.
    """
    if (folder / "index.csv").is_file():
        return read_shards(folder, limit)
    return read_folders(folder, Mtcnn(choose_providers("cpu")))
