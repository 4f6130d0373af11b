"""Measures a model on known people: fits score normalisation, calibrates, writes the manifest."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.faces.decisions.calibration import calibrate
from app.faces.decisions.fitting import (
    FEWEST_PEOPLE,
    FittedMeans,
    WeightTrial,
    fit_means,
    try_weights,
)
from app.faces.decisions.normalisation import ScoreNormaliser
from app.faces.decisions.scores import (
    LabelledFaces,
    ScoreDistribution,
    genuine_scores,
    impostor_scores,
)
from app.faces.decisions.search_calibration import measure_searches
from app.inference.manifest import (
    Calibration,
    Manifest,
    ScoreNormalisation,
    SearchCalibration,
    read_manifest,
    write_manifest,
)

NORMALISATION_FILE = "impostor_mean.onnx"

_DEFAULT_WEIGHT = 0.75  # where there are no genuine pairs to choose by


@dataclass(frozen=True, slots=True)
class Population:
    """Known people to measure a model on; arrays have one entry per face, shape (n,).

    `strata` names the group and source over which a cohort is balanced, `source` the data set.
    `cohort` marks the faces that may be in it, `genuine` those whose pairs of one person are
    measured. `groups` marks the sets within which pairs of two people are measured.
    """

    faces: LabelledFaces
    strata: NDArray[np.str_]
    source: NDArray[np.str_]
    cohort: NDArray[np.bool_]
    genuine: NDArray[np.bool_]
    groups: Mapping[str, NDArray[np.bool_]]
    description: str


@dataclass(frozen=True, slots=True)
class Distributions:
    """Scores of a population: impostor pairs by group, and genuine pairs."""

    impostors: Mapping[str, ScoreDistribution]
    genuine: ScoreDistribution


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured; `fitted` is None where an existing normalisation was kept.

    `plain` are cosines and `normalised` the scores that decide. `compared` are those of
    `compared_weight`: of the chosen weight, or of 1 where that is 0 and a normalisation was fitted.
    """

    calibration: Calibration
    plain: Distributions
    normalised: Distributions
    compared: Distributions
    compared_weight: float
    fitted: FittedMeans | None
    weight: float
    trials: tuple[WeightTrial, ...]
    search: SearchCalibration | None = None


def measure(population: Population, existing: ScoreNormaliser) -> Measurement:
    """Fit the normalisation to the population if it has enough people, and calibrate.

    The table is measured with corrections of regressors that were fitted without the source of the
    photo, or without the person where there is one source (`FittedMeans.unseen`). With fewer than
    FEWEST_PEOPLE people the model's `existing` normalisation is kept and only the table is
    measured. Raises ModelError where there are too few pairs.
    """
    faces = population.faces
    fitted: FittedMeans | None = None
    trials: tuple[WeightTrial, ...] = ()
    weight = 0.0
    if len(np.unique(faces.person)) >= FEWEST_PEOPLE:
        fitted = fit_means(faces, population.strata, population.cohort, population.source)
        weight, trials = _choose_weight(fitted, population)
        correction = fitted.corrections(weight)
    else:
        correction = existing.corrections(faces.embeddings)
    normalised = _distributions(population, correction)
    compared, compared_weight = normalised, weight
    if fitted is not None and not weight:
        compared_weight = 1.0
        compared = _distributions(population, fitted.corrections(compared_weight))
    genuine = normalised.genuine if normalised.genuine.pairs else None
    return Measurement(
        calibrate(normalised.impostors, genuine, population.description),
        _distributions(population, np.zeros(len(faces), dtype=np.float32)),
        normalised,
        compared,
        compared_weight,
        fitted,
        weight,
        trials,
        measure_searches(faces.corrected_by(correction), population.groups),
    )


def write_measurement(folder: Path, measurement: Measurement, cohort: str) -> Manifest:
    """Write calibration and, if fitted, normalisation into the model in `folder`.

    With a weight of 0 the model has no normalisation: its scores are cosines.
    """
    manifest = read_manifest(folder)
    changes: dict[str, object] = {
        "calibration": measurement.calibration,
        "search": measurement.search,
    }
    if measurement.fitted is not None and not measurement.weight:
        changes["normalisation"] = None
        (folder / NORMALISATION_FILE).unlink(missing_ok=True)
    elif measurement.fitted is not None:
        content = measurement.fitted.network.to_onnx()
        temporary = folder / f"{NORMALISATION_FILE}.new"
        temporary.write_bytes(content)
        os.replace(temporary, folder / NORMALISATION_FILE)
        changes["normalisation"] = ScoreNormalisation(
            file=NORMALISATION_FILE,
            sha256=hashlib.sha256(content).hexdigest(),
            weight=measurement.weight,
            average=round(measurement.fitted.average, 6),
            cohort=cohort,
            correlation=round(measurement.fitted.correlation, 4),
        )
    changed = manifest.model_copy(update=changes)
    write_manifest(folder, changed)
    return changed


def _choose_weight(
    fitted: FittedMeans, population: Population
) -> tuple[float, tuple[WeightTrial, ...]]:
    """The weight that accepts most genuine pairs at a false match rate of 0.001 in every group."""
    person = population.faces.person[population.genuine]
    if len(np.unique(person)) == len(person):
        return _DEFAULT_WEIGHT, ()
    groups = list(population.groups.values())
    trials = tuple(try_weights(fitted, population.faces, population.genuine, groups))
    return max(trials, key=lambda trial: trial.accepted).weight, trials


def _distributions(population: Population, correction: NDArray[np.float32]) -> Distributions:
    faces = population.faces.corrected_by(correction)
    impostors = {
        name: impostor_scores(faces.take(rows)) for name, rows in population.groups.items()
    }
    if not any(scores.pairs for scores in impostors.values()):
        raise ModelError("there are no pairs of two different people to measure")
    return Distributions(impostors, genuine_scores(faces.take(population.genuine)))
