"""Reads and writes model manifests, `models/<name>/manifest.toml`; unknown fields are errors."""

import hashlib
import os
import tomllib
from collections.abc import Iterable, Sequence
from itertools import pairwise
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


def _increases(values: Sequence[float]) -> bool:
    return all(b > a for a, b in pairwise(values))


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
        if not _increases(self.similarity):
            raise ValueError("similarity must be strictly increasing")
        if not _increases(self.fmr[::-1]):
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


class SearchTable(_Part):
    """Thresholds of searches by the size of the gallery and by the rate.

    `threshold` has one row for each number of `people`, and in it one entry for each `fpir`: at
    most this share of the strangers reaches it, in every group that was measured. `people` and
    each row are strictly increasing, `fpir` is strictly decreasing.
    """

    people: Annotated[tuple[int, ...], Field(min_length=1)]
    fpir: tuple[float, ...]
    threshold: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _monotone(self) -> "SearchTable":
        if len(self.fpir) < 2 or len(self.threshold) != len(self.people):
            raise ValueError(
                "threshold must have a row for each of people, fpir at least 2 entries"
            )
        if any(len(row) != len(self.fpir) for row in self.threshold):
            raise ValueError("each row of threshold must have the length of fpir")
        if self.people[0] < 1 or not _increases(self.people):
            raise ValueError("people must be positive and strictly increasing")
        if not all(_increases(row) for row in self.threshold):
            raise ValueError("each row of threshold must be strictly increasing")
        if not _increases(self.fpir[::-1]):
            raise ValueError("fpir must be strictly decreasing")
        if not all(0.0 < rate < 1.0 for rate in self.fpir):
            raise ValueError("fpir must be in (0, 1)")
        return self


class SearchCalibration(_Part):
    """Thresholds of searches relative to the gallery (`app.faces.decisions.search_thresholds`).

    They are what the score of a candidate exceeds `weight` times the resemblance to other people of
    the gallery by: for `pairs` that of the probe plus that of the template, for `probes` that of
    the probe alone. One of the two may be missing.
    """

    weight: Annotated[float, Field(gt=0.0, lt=1.0)]
    pairs: SearchTable | None = None
    probes: SearchTable | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, data: object) -> object:
        """Tables of earlier versions have one threshold for all sizes, of probes."""
        if not isinstance(data, dict) or "most_people" not in data:
            return data
        sizes = sorted({data["fewest_people"], data["most_people"]})
        rows = [data["threshold"]] * len(sizes)
        probes = {"people": sizes, "fpir": data["fpir"], "threshold": rows}
        return {"weight": data["weight"], "probes": probes}

    @model_validator(mode="after")
    def _not_empty(self) -> "SearchCalibration":
        if self.pairs is None and self.probes is None:
            raise ValueError("pairs or probes must be set")
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
