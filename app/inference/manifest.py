"""Reads and writes model manifests, `models/<name>/manifest.toml`; unknown fields are errors."""

import hashlib
import os
import tomllib
from collections.abc import Iterable
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
    """The network's input: float32 NCHW, a square crop scaled to `(pixel - mean) / std`.

    With `mirror`, the embedding is the normalised mean over the crop and its mirror image.
    """

    size: Annotated[int, Field(ge=16, le=1024)]
    channels: Literal["RGB", "BGR"]
    mean: Channel3
    std: Channel3
    mirror: bool = False


class FivePoint(_Part):
    """Aligns the five landmarks to `template` (fractions of the crop) by a similarity transform."""

    kind: Literal["five-point"]
    template: tuple[Fraction2, Fraction2, Fraction2, Fraction2, Fraction2]


class BoxMargin(_Part):
    """Crops the square around the detected box, enlarged by `margin` of its longer side.

    With `stretch`, each side is enlarged by `margin` and the rectangle is resized to a square.
    """

    kind: Literal["box-margin"]
    margin: Annotated[float, Field(ge=0.0, le=2.0)]
    stretch: bool = False


class Training(_Part):
    """Training data and method, as a basis for the decision whether to use the weights."""

    data: str
    method: str
    samples: int = 0


class Accuracy(_Part):
    """One measured value and the command that reproduces it."""

    benchmark: str
    metric: str
    value: float
    command: str


class Calibration(_Part):
    """Error rates by score, measured on pairs of faces whose people are known.

    The score is the cosine, or with score normalisation the normalised score of an average pair.
    `similarity` is strictly increasing and `fmr` strictly decreasing; both have one entry per
    knot. Rates below `measured_to` are extrapolated. `fnmr` is the share of `genuine_pairs` below
    each knot; empty if it was not measured.
    """

    population: str
    pairs: Annotated[int, Field(ge=1)]
    similarity: tuple[float, ...]
    fmr: tuple[float, ...]
    measured_to: float | None = None
    fnmr: tuple[float, ...] = ()
    genuine_pairs: int = 0

    @model_validator(mode="after")
    def _monotone(self) -> "Calibration":
        if len(self.similarity) != len(self.fmr) or len(self.fmr) < 2:
            raise ValueError("similarity and fmr must have the same length of at least 2")
        if self.fnmr and len(self.fnmr) != len(self.fmr):
            raise ValueError("fnmr must be empty or have the length of fmr")
        if any(b <= a for a, b in zip(self.similarity, self.similarity[1:], strict=False)):
            raise ValueError("similarity must be strictly increasing")
        if any(b >= a for a, b in zip(self.fmr, self.fmr[1:], strict=False)):
            raise ValueError("fmr must be strictly decreasing")
        if not all(0.0 < rate <= 1.0 for rate in self.fmr):
            raise ValueError("fmr must be in (0, 1]")
        return self


class ScoreNormalisation(_Part):
    """How scores of this model are normalised (`app.faces.decisions.normalisation`).

    `file` predicts a face's impostor mean from its embedding; `weight` is b in
    `s - b * (m1 + m2) / 2`; `average` is the mean of m over many faces; `correlation` is between
    predicted and measured impostor means of faces that the fit did not use.
    """

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    weight: Annotated[float, Field(ge=0.0, le=2.0)]
    average: float
    cohort: str
    correlation: float


class SearchCalibration(_Part):
    """Thresholds of a search relative to the gallery (`app.faces.decisions.search_thresholds`).

    `threshold` is what the best score exceeds `weight` times the probe's resemblance to others of
    the gallery by, for at most a share `fpir` of strangers, in every group and in every gallery of
    `fewest_people` to `most_people` people of one group that was measured. `fpir` is strictly
    decreasing, `threshold` strictly increasing.
    """

    weight: Annotated[float, Field(gt=0.0, lt=1.0)]
    fewest_people: Annotated[int, Field(ge=10)]
    most_people: int
    fpir: tuple[float, ...]
    threshold: tuple[float, ...]

    @model_validator(mode="after")
    def _monotone(self) -> "SearchCalibration":
        if len(self.fpir) != len(self.threshold) or len(self.fpir) < 2:
            raise ValueError("fpir and threshold must have the same length of at least 2")
        if any(b >= a for a, b in zip(self.fpir, self.fpir[1:], strict=False)):
            raise ValueError("fpir must be strictly decreasing")
        if any(b <= a for a, b in zip(self.threshold, self.threshold[1:], strict=False)):
            raise ValueError("threshold must be strictly increasing")
        if not all(0.0 < rate < 1.0 for rate in self.fpir):
            raise ValueError("fpir must be in (0, 1)")
        if self.most_people < self.fewest_people:
            raise ValueError("most_people must be at least fewest_people")
        return self


class Manifest(_Part):
    """Properties of a face embedder: file, input, alignment, training, calibration, accuracy."""

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
    normalisation: ScoreNormalisation | None = None
    search: SearchCalibration | None = None
    accuracy: tuple[Accuracy, ...] = ()

    @property
    def space(self) -> EmbeddingSpace:
        """The embedding space; its digest is computed from the weights and the preprocessing."""
        parts = (self.input, self.alignment)
        # Defaults are excluded so that a new optional field does not change existing digests.
        preprocessing = "".join(part.model_dump_json(exclude_defaults=True) for part in parts)
        digest = hashlib.sha256(f"{self.sha256}\n{preprocessing}".encode()).hexdigest()
        return EmbeddingSpace(self.name, f"sha256:{digest}", self.dimension)


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest file or the `manifest.toml` of a model folder. Raises ModelError."""
    file = path / MANIFEST_NAME if path.is_dir() else path
    try:
        return Manifest.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"{file} is not readable: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{file} is not a valid manifest: {error}") from error
    except ValidationError as error:
        raise ModelError(f"{file} is not a valid manifest: {_summary(error)}") from error


def find_models(folders: Iterable[Path]) -> list[Path]:
    """Returns the model folders in `folders`, sorted; of two with one name, that in the earlier."""
    found: dict[str, Path] = {}
    for folder in folders:
        for file in folder.glob(f"*/{MANIFEST_NAME}"):
            found.setdefault(file.parent.name, file.parent)
    return sorted(found.values())


def _summary(error: ValidationError) -> str:
    """Returns the path and message of every invalid field on one line."""
    return "; ".join(
        f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replaces `manifest.toml` in `folder` atomically."""
    content = manifest.model_dump(mode="json", exclude_none=True)
    new = folder / f"{MANIFEST_NAME}.new"
    new.write_text(tomli_w.dumps(content), encoding="utf-8")
    os.replace(new, folder / MANIFEST_NAME)


def read_verified(path: Path, sha256: str) -> bytes:
    """Returns the file's bytes. Raises ModelError if it is unreadable or its digest differs."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} is not readable: {error.strerror}") from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ModelError(
            f"digest mismatch: {path} has sha256 {actual}, its manifest states {sha256}; "
            "install the model again"
        )
    return content
