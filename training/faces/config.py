"""Training configurations of the stages, read from TOML."""

import tomllib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from training.faces.augment import Augmentation
from training.networks.inception_resnet_v1 import REPEATS, Additions, InceptionResnetV1

Config = TypeVar("Config", bound="RunConfig")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkConfig(_Part):
    """The network. Its alignment template is that of the first teacher.

    `mirror` and `equalize` do not affect training: the exported manifest requests the mean of the
    embeddings of a crop and of its mirror image, and the exported network omits the differences
    between the mean embeddings of groups, where the data names groups (`group_axes`). `repeats` are
    the residual blocks of the three grids; `fine_blocks`, `branches_35`, `branches_17`, `local_17`
    and `local_35` are those of `Additions`. Weights of a network with fewer or narrower blocks can
    be loaded.
    """

    dimension: int = 256
    width: float = 0.5
    size: int = 112
    repeats: tuple[int, int, int] = REPEATS
    fine_blocks: int = 0
    branches_35: int = 0
    branches_17: int = 0
    local_17: int = 0
    local_35: int = 0
    dropout: float = 0.0
    mean: float = 127.5
    std: float = 128.0
    mirror: bool = False
    equalize: bool = False

    def build(self) -> InceptionResnetV1:
        """The network with random weights."""
        additions = Additions(
            self.fine_blocks, self.branches_35, self.branches_17, self.local_17, self.local_35
        )
        return InceptionResnetV1(
            self.dimension, self.width, self.dropout, self.repeats, additions, self.size
        )


class RunConfig(_Part):
    """Settings of every stage. The cool-down follows the `steps` of warm-up and stable rate.

    With `minutes` the run ends by the clock instead, after any number of steps, and the cool-down
    takes the last `cooldown_share` of the time. `freeze_stem` keeps the three convolutions before
    the pool, for further training of a network (`--start`). Each of `processes` processes, of
    `threads` threads, has a batch of its own in every step, and the mean of their gradients counts.
    """

    seed: int = 1
    network: NetworkConfig = NetworkConfig()
    augmentation: Augmentation = Augmentation()
    steps: int = 12_000
    minutes: float | None = None
    warmup_steps: int = 300
    cooldown_steps: int = 3_000
    cooldown_share: float = 0.6
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    freeze_stem: bool = False
    optimizer: Literal["adamw", "soap"] = "adamw"
    evaluate_every: int = 500
    save_every: int = 250
    threads: int = 2
    processes: int = 1
    compile: bool = True


class DistillConfig(RunConfig):
    """Stage one: distillation. `blends` is the share of blends in a batch, 0 to 1.

    `balanced_blends` makes as many blends of each group of people, where the data names groups.
    `queue` is the number of past embeddings that a batch is compared with (0: none); of these, the
    `hardest` most similar to each crop count, with `queue_weight`.
    """

    batch: int = 64
    blends: float = 0.0
    balanced_blends: bool = False
    relational_weight: float = 10.0
    queue: int = 0
    hardest: int = 16
    queue_weight: float = 3.0


class TripletConfig(RunConfig):
    """Stage two: the triplet loss on batches of `people` x `photos` crops.

    A batch also has `strangers` crops without an identity (twice each) and `blends` blends. Two
    crops with a similarity to the teacher above `trust` are no impostor pair, unless both have an
    identity. `teacher_weight` and `relational_weight` weight the distillation losses, which also
    apply to the blends.
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
    """Stage two with the pair loss; `margin` is a Euclidean distance (0 to 2)."""

    margin: float = 1.0
    mining: Literal["random", "semi-hard", "hard"] = "random"


def read_config(kind: type[Config], path: Path | None) -> Config:
    """The configuration in the TOML file `path`, or the defaults if it is None.

    Raises ValueError for unknown fields or invalid values.
    """
    if path is None:
        return kind()
    return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
