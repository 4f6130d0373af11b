"""Training configuration, read from TOML; every field has the value that worked."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from training.faces.augment import Augmentation


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkConfig(_Part):
    """The student. `template` is the manifest's, taken from the teacher when not given."""

    dimension: int = 256
    width: float = 0.5
    size: int = 112
    dropout: float = 0.0
    mean: float = 127.5
    std: float = 128.0


class DistillConfig(_Part):
    """Stage one. Steps are optimiser steps; `steps` counts the stable part, cool-down follows."""

    seed: int = 1
    network: NetworkConfig = NetworkConfig()
    augmentation: Augmentation = Augmentation()
    batch: int = 64
    steps: int = 12_000
    warmup_steps: int = 300
    cooldown_steps: int = 3_000
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    relational_weight: float = 10.0
    ema_decay: float = 0.998
    evaluate_every: int = 500
    save_every: int = 250
    threads: int = 2
    compile: bool = True


def read_distill_config(path: Path | None) -> DistillConfig:
    """The configuration in a TOML file, or the defaults."""
    if path is None:
        return DistillConfig()
    return DistillConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
