"""Runs one stage of training: reads its data and configuration, trains, plots the log."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Literal

import cv2
import numpy as np

from training.faces.augment import CropSpec
from training.faces.batches import Photos, TrainingData
from training.faces.checkpoint import read_average
from training.faces.config import (
    Config,
    DistillConfig,
    RunConfig,
    SiameseConfig,
    TripletConfig,
    read_config,
)
from training.faces.crops import CropSet, held_out
from training.faces.loop import TrainingRun
from training.faces.objectives import Distillation, Objective, SiameseTuning, TripletTuning
from training.faces.plots import plot_run
from training.faces.sources import read_crops
from training.faces.targets import distillation_targets, inherit_reduction
from training.faces.teacher import TeacherFiles, load_teachers

StageName = Literal["distil", "triplet", "siamese"]


@dataclass(frozen=True, slots=True)
class ConfiguredStage:
    """A stage with the configuration of one run."""

    config: RunConfig
    make_objective: Callable[[TrainingData], Objective]


@dataclass(frozen=True, slots=True)
class Stage(Generic[Config]):
    """The configuration type of a stage and its objective."""

    config: type[Config]
    objective: Callable[[Config, TrainingData], Objective]

    def configure(self, file: Path | None) -> ConfiguredStage:
        """The stage with the configuration in `file`, or with the defaults."""
        config = read_config(self.config, file)
        return ConfiguredStage(config, partial(self.objective, config))


STAGES: dict[StageName, Stage[DistillConfig] | Stage[TripletConfig] | Stage[SiameseConfig]] = {
    "distil": Stage(DistillConfig, Distillation),
    "triplet": Stage(TripletConfig, TripletTuning),
    "siamese": Stage(SiameseConfig, SiameseTuning),
}


@dataclass(frozen=True, slots=True)
class StageOptions:
    """Inputs of one stage, as the command line passes them.

    `data` is read by `read_crops`, with `limit`; `run` is the run's folder; `start` is a checkpoint
    whose averaged weights the stage begins with, random weights if None.
    """

    data: Path
    run: Path
    teachers: TeacherFiles
    config: Path | None = None
    limit: int | None = None
    cool_down_now: bool = False
    start: Path | None = None


def run_stage(name: StageName, options: StageOptions) -> None:
    """Train one stage; held-out crops are used for measuring only.

    Writes checkpoint.pt, log.csv and log.png into the run's folder.
    """
    cv2.setNumThreads(1)
    stage = STAGES[name].configure(options.config)
    network = stage.config.network
    if options.start is not None:
        inherit_reduction(options.run, options.start)
    crops = read_crops(options.data, options.limit)
    targets, reduction = distillation_targets(
        options.run, options.teachers, crops, network.dimension
    )
    unseen = held_out(crops)
    spec = CropSpec(network.size, options.teachers.template())
    data = TrainingData(
        _select(crops, targets, ~unseen),
        spec,
        partial(load_teachers, options.teachers, reduction),
    )
    training = TrainingRun(
        options.run,
        stage.config,
        spec,
        stage.make_objective(data),
        held_out=_select(crops, targets, unseen & (crops.identity != "")),
        start=None if options.start is None else read_average(options.start)[0],
    )
    progress = training.run(options.cool_down_now)
    if training.log.exists():  # it has a line from the first evaluation on
        plot_run(training.log, options.run / "log.png")
    print(f"stopped at step {progress.step}; checkpoint {training.checkpoint}")


def _select(crops: CropSet, targets: np.ndarray, mask: np.ndarray) -> Photos:
    return Photos(crops.take(mask), targets[mask])
