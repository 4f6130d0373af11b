"""Model folders for tests."""

import hashlib
import shutil
from pathlib import Path

from app.faces.decisions.measurement import NORMALISATION_FILE
from app.faces.decisions.regression import Perceptron
from app.inference.manifest import (
    ScoreNormalisation,
    SearchCalibration,
    read_manifest,
    write_manifest,
)
from app.settings import PROJECT, Settings

SHIPPED = PROJECT / "models" / str(Settings.model_fields["face_model"].default)
"""The default model."""

TRAINED = PROJECT / "models" / "sima-face-15"
"""The model as it was trained, in floating point."""

OTHER = TRAINED
"""A shipped model with another embedding space than the default."""


def with_other_mean(folder: Path) -> Path:
    """Copy the shipped model with other preprocessing, which makes it another embedding space."""
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    text = (SHIPPED / "manifest.toml").read_text()
    start = text.index("mean = [")
    end = text.index("]", start) + 1
    (folder / "manifest.toml").write_text(text[:start] + "mean = [1.0, 2.0, 3.0]" + text[end:])
    return folder


def with_normalisation(folder: Path, network: Perceptron, weight: float) -> Path:
    """Copy the shipped model with a score normalisation by the impostor means of `network`."""
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    content = network.to_onnx()
    (folder / NORMALISATION_FILE).write_bytes(content)
    normalisation = ScoreNormalisation(
        file=NORMALISATION_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        weight=weight,
        average=0.0,
        cohort="none: the weights are random",
        correlation=0.0,
    )
    manifest = read_manifest(SHIPPED).model_copy(update={"normalisation": normalisation})
    write_manifest(folder, manifest)
    return folder


def with_search(folder: Path, search: SearchCalibration) -> Path:
    """Copy the shipped model with thresholds of searches relative to the gallery."""
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    write_manifest(folder, read_manifest(SHIPPED).model_copy(update={"search": search}))
    return folder
