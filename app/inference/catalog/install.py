"""A weights file becomes a model folder, which is whole or not there at all."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np

from app.errors import ModelError
from app.inference.catalog.graphs import fill, read_state
from app.inference.catalog.published import ALIGNMENT, DIMENSION, INPUT, Original
from app.inference.manifest import Manifest, write_manifest
from app.inference.session import OnnxSession

_FILE = "model.onnx"


def install(weights: Path, original: Original, graph: Path, models: Path, force: bool) -> Manifest:
    """Fill `graph` with the file's weights, try it once, write `models/<name>`.

    Raises ModelError where the weights do not fit, or where the model is there already and
    `force` does not say to replace it.
    """
    folder = models / original.name
    if folder.exists() and not force:
        raise ModelError(f"{folder} is there already; --force replaces it")
    content = fill(graph, read_state(weights))
    _try_out(content, original.name)
    manifest = Manifest(
        format=1,
        name=original.name,
        title=original.title,
        file=_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        licence=original.licence,
        dimension=DIMENSION,
        input=INPUT,
        alignment=ALIGNMENT,
        training=original.training,
    )
    fresh = models / f".{original.name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    (fresh / _FILE).write_bytes(content)
    write_manifest(fresh, manifest)
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(fresh, folder)
    return manifest


def _try_out(content: bytes, name: str) -> None:
    crop = np.zeros((1, 3, INPUT.size, INPUT.size), dtype=np.float32)
    answer = OnnxSession(content, ["CPUExecutionProvider"]).run(crop)[0]
    if answer.shape != (1, DIMENSION) or not np.isclose(np.linalg.norm(answer), 1.0, atol=1e-3):
        raise ModelError(f"{name} does not answer with unit vectors of {DIMENSION} numbers")
