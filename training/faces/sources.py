"""Reads training data: crop shards, or photos in one folder per identity."""

from pathlib import Path

from app.faces.pipeline.mtcnn import Mtcnn
from app.inference.session import choose_providers
from training.faces.crops import CropSet, read_shards
from training.faces.folders import read_folders
from training.faces.same_person import merge_identities


def read_crops(folder: Path, limit: int | None = None) -> CropSet:
    """Crops from shards if `folder` has an `index.csv`, else from one sub-folder per identity.

    Identities of the shards are corrected (`merge_identities`). `limit` reads about that many crops
    of the shards; it does not apply to sub-folders.
    """
    if (folder / "index.csv").is_file():
        return merge_identities(read_shards(folder, limit))
    return read_folders(folder, Mtcnn(choose_providers("cpu")))
