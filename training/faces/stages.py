"""The stages of training as the command line calls them: read what they need, run, save."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

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
from training.faces.targets import distillation_targets
from training.faces.teacher import TeacherFiles, load_teachers

Stage = Literal["distil", "triplet", "siamese"]

_STAGES: dict[Stage, tuple[type[RunConfig], Callable[..., Objective]]] = {
    "distil": (DistillConfig, Distil),
    "triplet": (TripletConfig, TripletTuning),
    "siamese": (SiameseConfig, SiamesePairs),
}


def run_stage(
    stage: Stage,
    data: Path,
    run: Path,
    teachers: TeacherFiles,
    config_file: Path | None,
    limit: int | None,
    cool_down_now: bool,
    start: Path | None,
) -> None:
    """One stage of training; the held-out eighth only measures.

    `start` is a checkpoint whose averaged weights the stage begins with. Writes checkpoint.pt,
    log.csv and log.png into `run`.
    """
    cv2.setNumThreads(1)
    kind, make_objective = _STAGES[stage]
    config = read_config(kind, config_file)
    crops = read_crops(data, limit)
    targets, reduction = distillation_targets(run, teachers, crops, config.network.dimension)
    aside = held_out(crops)
    seen = Photos(crops.take(~aside), targets[~aside])
    judge = partial(load_teachers, teachers, reduction)
    spec = CropSpec(config.network.size, teachers.template())
    objective = make_objective(config, spec, seen, judge)
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
