"""Training configuration, read from TOML; every field has the value that worked."""

import tomllib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from training.faces.augment import Augmentation

Config = TypeVar("Config", bound="RunConfig")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkConfig(_Part):
    """The network. Where its landmarks lie is the teacher's template.

    `mirror` is how it is served, not how it is trained.
    """

    dimension: int = 256
    width: float = 0.5
    size: int = 112
    dropout: float = 0.0
    mean: float = 127.5
    std: float = 128.0
    mirror: bool = False


class RunConfig(_Part):
    """What every stage has. `steps` counts the stable part, the cool-down follows it."""

    seed: int = 1
    network: NetworkConfig = NetworkConfig()
    augmentation: Augmentation = Augmentation()
    steps: int = 12_000
    warmup_steps: int = 300
    cooldown_steps: int = 3_000
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    evaluate_every: int = 500
    save_every: int = 250
    threads: int = 2
    compile: bool = True


class DistillConfig(RunConfig):
    """Stage one. `blends` is the share of a batch that are blends of two faces, always fresh."""

    batch: int = 64
    blends: float = 0.0
    relational_weight: float = 10.0


class TripletConfig(RunConfig):
    """Stage two: `people` x `photos` crops a batch; `teacher_weight` holds on to stage one.

    `strangers` photos without an identity join them; two photos that the teacher finds more
    alike than `trust` are not taken for two people's, unless both have an identity. `blends`
    more crops are faces of nobody, only for holding on.
    """

    steps: int = 2_000
    cooldown_steps: int = 1_000
    learning_rate: float = 2e-4
    people: int = 24
    photos: int = 4
    strangers: int = 0
    blends: int = 0
    trust: float = 0.5
    margin: float = 0.2
    mining: Literal["random", "semi-hard", "hard"] = "semi-hard"
    teacher_weight: float = 1.0
    relational_weight: float = 0.0


class SiameseConfig(TripletConfig):
    """Stage two with pairs instead of triplets; `margin` is a Euclidean distance (0 to 2)."""

    margin: float = 1.0
    mining: Literal["random", "semi-hard", "hard"] = "random"


def read_config(kind: type[Config], path: Path | None) -> Config:
    """The configuration in a TOML file, or the defaults."""
    if path is None:
        return kind()
    return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
