"""Converts a weights file of a published model to a model folder, atomically."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np

from app.errors import ModelError
from app.inference.catalog.graphs import fill_graph, read_weights
from app.inference.catalog.published import ALIGNMENT, DIMENSION, INPUT, PublishedModel
from app.inference.manifest import Manifest, write_manifest
from app.inference.session import OnnxSession

_FILE = "model.onnx"


def install(
    weights: Path, published: PublishedModel, graph: Path, models: Path, force: bool
) -> Manifest:
    """Fills `graph` with the weights, tests it, and writes the folder `models/<name>`.

    Raises ModelError if the weights do not fit the graph, or if the folder exists and `force` is
    false.
    """
    folder = models / published.name
    if folder.exists() and not force:
        raise ModelError(f"{folder} already exists; replace it with --force")
    content = fill_graph(graph, read_weights(weights))
    _test(content, published.name)
    manifest = Manifest(
        format=1,
        name=published.name,
        title=published.title,
        file=_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        licence=published.licence,
        dimension=DIMENSION,
        input=INPUT,
        alignment=ALIGNMENT,
        training=published.training,
    )
    new = models / f".{published.name}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (new / _FILE).write_bytes(content)
    write_manifest(new, manifest)
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(new, folder)
    return manifest


def _test(content: bytes, name: str) -> None:
    """Embeds one black crop. Raises ModelError if the output is not a unit vector."""
    crop = np.zeros((1, 3, INPUT.size, INPUT.size), dtype=np.float32)
    output = OnnxSession(content, ["CPUExecutionProvider"]).run(crop)[0]
    if output.shape != (1, DIMENSION) or not np.isclose(np.linalg.norm(output), 1.0, atol=1e-3):
        raise ModelError(
            f"{name} does not return a unit vector of dimension {DIMENSION}; the weights file is "
            "corrupt or belongs to another network"
        )
