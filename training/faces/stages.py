"""The stages of training as the command line calls them: read what they need, run, save."""

from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from app.faces.types import Points
from app.inference.manifest import FivePoint, Manifest
from training.faces.batches import CropSpec, Photos
from training.faces.checkpoint import read_average
from training.faces.config import (
    DistillConfig,
    RunConfig,
    SiameseConfig,
    TripletConfig,
    read_config,
)
from training.faces.crops import held_out
from training.faces.loop import TrainingRun
from training.faces.objectives import Distil, Objective, SiamesePairs, TripletTuning
from training.faces.plots import plot_run
from training.faces.sources import read_crops
from training.faces.targets import load_or_embed
from training.faces.teacher import load_teacher


def template_of(manifest: Manifest) -> Points:
    """The five-point template of a manifest, fractions of the crop."""
    if not isinstance(manifest.alignment, FivePoint):
        raise ValueError(f"{manifest.name} is not aligned by five points")
    return np.array(manifest.alignment.template, dtype=np.float64)


def run_stage(
    stage: Literal["distil", "triplet", "siamese"],
    data: Path,
    run: Path,
    teacher: tuple[Path, Path | None],
    config_file: Path | None,
    limit: int | None,
    cool_down_now: bool,
    start: Path | None,
) -> None:
    """One stage of training; the held-out eighth only measures.

    `teacher` is a manifest's folder and that of its weights; `start` a checkpoint whose averaged
    weights the stage begins with. Leaves checkpoint.pt, log.csv and log.png in `run`.
    """
    cv2.setNumThreads(1)
    embedder = load_teacher(*teacher)
    crops = read_crops(data, limit)
    targets = load_or_embed(run / "targets.npz", embedder, crops)
    aside = held_out(crops)
    seen = Photos(crops.take(~aside), targets[~aside])
    template = template_of(embedder.manifest)
    judge = partial(load_teacher, *teacher, fast=True)
    config: RunConfig
    objective: Objective
    if stage == "distil":
        config = distill = read_config(DistillConfig, config_file)
        spec = CropSpec(config.network.size, template)
        objective = Distil(distill, spec, seen, judge)
    elif stage == "siamese":
        config = siamese = read_config(SiameseConfig, config_file)
        spec = CropSpec(config.network.size, template)
        objective = SiamesePairs(siamese, spec, seen, judge)
    else:
        config = triplet = read_config(TripletConfig, config_file)
        spec = CropSpec(config.network.size, template)
        objective = TripletTuning(triplet, spec, seen, judge)
    measured = np.flatnonzero(aside & (crops.identity != ""))
    training = TrainingRun(
        run,
        config,
        spec,
        objective,
        held_out=Photos(crops.take(measured), targets[measured]),
        start=read_average(start)[0] if start is not None else None,
    )
    progress = training.run(cool_down_now)
    plot_run(training.log, run / "log.png")
    print(f"stopped at step {progress.step}; checkpoint {training.checkpoint}")
