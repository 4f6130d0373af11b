"""Configuration of word vectors; the defaults are word2vec's except `shared` and `sample`."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Objective = Literal["negative-sampling", "softmax", "language-model"]
Count = Annotated[int, Field(ge=1)]


class WordConfig(BaseModel):
    """Settings of one run.

    `negatives` is k; 0 chooses it by the size of the corpus. All words of a window share
    `shared` x k negatives, each with the weight 1 / `shared` (measurements in training/LOG.md).
    `most_words` limits the vocabulary of the two softmax objectives. `save_every` is in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    objective: Objective = "negative-sampling"
    context: str = "nearby"
    dimension: Annotated[int, Field(ge=2, le=4096)] = 100
    window: Annotated[int, Field(ge=1, le=50)] = 5
    negatives: Annotated[int, Field(ge=0, le=50)] = 0
    shared: Annotated[float, Field(ge=1.0, le=10.0)] = 2.0
    epochs: Count = 5
    rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.025
    sample: Annotated[float, Field(ge=0.0)] = 5e-4  # word2vec suggests 1e-3 to 1e-5
    min_count: Count = 5
    most_words: Annotated[int, Field(ge=2)] = 10_000
    hidden: Count = 128
    batch: Count = 1_024
    threads: Count = 2
    save_every: Annotated[float, Field(ge=0.0)] = 30.0
    seed: int = 1


def read_word_config(path: Path | None, objective: Objective, context: str) -> WordConfig:
    """The configuration in a TOML file, or the defaults, with this objective and context."""
    written = {} if path is None else tomllib.loads(path.read_text(encoding="utf-8"))
    return WordConfig.model_validate({**written, "objective": objective, "context": context})
