"""A model card as data: `models/<name>/manifest.toml`, read strictly, nothing guessed."""

import hashlib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import ModelError
from app.vectors import EmbeddingSpace

MANIFEST_NAME = "manifest.toml"

Channel3 = tuple[float, float, float]
Fraction2 = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSpec(_Part):
    """What the network takes: a square crop, `(pixel - mean) / std` per channel, NCHW float32.

    With `mirror` an embedding is the mean of the crop's and its mirror image's.
    """

    size: Annotated[int, Field(ge=16, le=1024)]
    channels: Literal["RGB", "BGR"]
    mean: Channel3
    std: Channel3
    mirror: bool = False


class FivePoint(_Part):
    """Similarity transform of the landmarks onto `template`, in fractions of the crop."""

    kind: Literal["five-point"]
    template: tuple[Fraction2, Fraction2, Fraction2, Fraction2, Fraction2]


class BoxMargin(_Part):
    """The detector's box enlarged by `margin` of its longer side, a square around its centre.

    With `stretch` each side grows by `margin` and the rectangle is stretched to the square input.
    """

    kind: Literal["box-margin"]
    margin: Annotated[float, Field(ge=0.0, le=2.0)]
    stretch: bool = False


class Training(_Part):
    """What the weights learned from, for the person who must decide whether to use them."""

    data: str
    method: str
    samples: int = 0


class Accuracy(_Part):
    """One measured number and the command that measures it again."""

    benchmark: str
    metric: str
    value: float
    command: str


class Calibration(_Part):
    """False match rate by similarity, measured on impostor pairs.

    `similarity` rises, `fmr` falls; both have one entry a knot. The last knot is the smallest
    rate that `pairs` impostors can support.
    """

    population: str
    pairs: Annotated[int, Field(ge=1)]
    similarity: tuple[float, ...]
    fmr: tuple[float, ...]

    @model_validator(mode="after")
    def _monotone(self) -> "Calibration":
        if len(self.similarity) != len(self.fmr) or len(self.fmr) < 2:
            raise ValueError("similarity and fmr must have the same length, at least two")
        if any(b <= a for a, b in zip(self.similarity, self.similarity[1:], strict=False)):
            raise ValueError("similarity must rise strictly")
        if any(b >= a for a, b in zip(self.fmr, self.fmr[1:], strict=False)):
            raise ValueError("fmr must fall strictly")
        if not all(0.0 < rate <= 1.0 for rate in self.fmr):
            raise ValueError("fmr must lie in (0, 1]")
        return self


class Manifest(_Part):
    """Everything that the service knows about a face embedder."""

    format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    title: str
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    licence: str
    dimension: Annotated[int, Field(ge=2, le=4096)]
    input: InputSpec
    alignment: Annotated[FivePoint | BoxMargin, Field(discriminator="kind")]
    training: Training
    calibration: Calibration | None = None
    accuracy: tuple[Accuracy, ...] = ()

    @property
    def space(self) -> EmbeddingSpace:
        """The embedding space: weights and preprocessing together make its digest."""
        parts = (self.input, self.alignment)
        # Without defaults: a field that a later version adds leaves older spaces as they are.
        preprocessing = "".join(part.model_dump_json(exclude_defaults=True) for part in parts)
        digest = hashlib.sha256(f"{self.sha256}\n{preprocessing}".encode()).hexdigest()
        return EmbeddingSpace(self.name, f"sha256:{digest}", self.dimension)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest file, or the `manifest.toml` of a model folder."""
    file = path / MANIFEST_NAME if path.is_dir() else path
    try:
        return Manifest.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"no readable manifest at {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ModelError(f"{file} is not a valid manifest: {error}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace `manifest.toml` in `folder` in one step."""
    content = manifest.model_dump(mode="json", exclude_none=True)
    fresh = folder / f"{MANIFEST_NAME}.new"
    fresh.write_text(tomli_w.dumps(content), encoding="utf-8")
    os.replace(fresh, folder / MANIFEST_NAME)


def read_verified(path: Path, sha256: str) -> bytes:
    """The file's bytes, once their digest is what the manifest promises."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model file {path} cannot be read: {error.strerror}") from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ModelError(f"{path.name} has sha256 {actual}, its manifest promises {sha256}")
    return content
