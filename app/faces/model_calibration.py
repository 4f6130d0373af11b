"""Calibrates a face model on a folder of photos of known people."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from app.errors import ModelError, SimaError
from app.faces.decisions.measurement import Measurement, Population, measure, write_measurement
from app.faces.decisions.normalisation import load_normaliser
from app.faces.decisions.scores import LabelledFaces
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.sources import PHOTO_SUFFIXES
from app.inference.manifest import read_manifest
from app.timings import Timings

_WITHOUT_GROUP = "everybody"

Skipped = Callable[[Path, SimaError], None]
"""Called with each photo that cannot be used, and the reason."""


def photos_of_people(folder: Path) -> list[Path]:
    """`person/photo.jpg` or `group/person/photo.jpg`, sorted.

    Raises ModelError where there are no such photos.
    """
    found = sorted(
        file
        for pattern in ("*/*", "*/*/*")
        for file in folder.glob(pattern)
        if file.suffix.lower() in PHOTO_SUFFIXES
    )
    if not found:
        raise ModelError(
            f"{folder} contains no photos; expected person/photo.jpg or group/person/photo.jpg"
        )
    return found


def calibrate_model(
    model: Path, pipeline: FacePipeline, folder: Path, files: Iterable[Path], skipped: Skipped
) -> Measurement:
    """Measure the model on the subjects of `files` and write its manifest.

    Score normalisation is fitted where there are enough people. Raises ModelError.
    """
    faces = _embed_subjects(pipeline, folder, files, skipped)
    groups = sorted(set(faces.group.tolist()))
    everyone = np.ones(len(faces), dtype=np.bool_)
    people = len(np.unique(faces.person))
    population = Population(
        faces=faces,
        strata=faces.group,
        source=np.full(len(faces), str(folder)),
        cohort=everyone,
        genuine=everyone,
        groups={group: faces.group == group for group in groups},
        description=f"{people} people of {folder.resolve().name}; pairs within each group: "
        + ", ".join(groups),
    )
    existing = load_normaliser(model, read_manifest(model))
    measurement = measure(population, existing)
    write_measurement(model, measurement, f"people of {folder.resolve().name}")
    return measurement


def _embed_subjects(
    pipeline: FacePipeline, folder: Path, files: Iterable[Path], skipped: Skipped
) -> LabelledFaces:
    people: list[str] = []
    groups: list[str] = []
    rows: list[np.ndarray] = []
    for file in files:
        try:
            face = pipeline.analyze(file.read_bytes(), Timings()).subject()
        except SimaError as error:
            skipped(file, error)
            continue
        parts = file.relative_to(folder).parts
        people.append("/".join(parts[:-1]))
        groups.append(parts[0] if len(parts) == 3 else _WITHOUT_GROUP)
        rows.append(pipeline.embed([face], Timings())[0])
    if not rows:
        raise ModelError("no face was found in any photo")
    nothing = np.zeros(len(rows), dtype=np.float32)
    return LabelledFaces(np.array(rows), np.array(people), np.array(groups), nothing)
