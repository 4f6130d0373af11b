"""The network that estimates how well a face can be recognised (models/face-quality)."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import ModelError
from app.faces.pipeline.align import five_point_crop
from app.faces.pipeline.types import Image, Points
from app.inference.manifest import read_verified
from app.inference.session import OnnxSession
from app.resources import MODELS

SHIPPED = MODELS / "face-quality"
MANIFEST_NAME = "quality.toml"  # not manifest.toml, which marks the folder of a face embedder

CROP_SIZE = 112
CROP_TEMPLATE: Points = np.array(
    [
        [0.31556875, 0.46157410],
        [0.68262292, 0.45983393],
        [0.50026249, 0.64050536],
        [0.34947187, 0.82469196],
        [0.65343645, 0.82325089],
    ]
)
"""Positions of the landmarks in the network's crop, as fractions of its side, shape (5, 2)."""


class QualityManifest(BaseModel):
    """`quality.toml`: the network's file, and the model and threshold that define its scores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    licence: str
    reference_model: str
    reference_threshold: float
    target_fmr: float


class QualityModel:
    """Scores faces with the network in `folder`. Thread-safe. Raises ModelError."""

    def __init__(
        self, providers: Sequence[str], folder: Path = SHIPPED, intra_op_threads: int = 1
    ) -> None:
        self.manifest = _read_manifest(folder / MANIFEST_NAME)
        network = read_verified(folder / self.manifest.file, self.manifest.sha256)
        self._session = OnnxSession(network, providers, intra_op_threads)

    def score(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """Returns the scores of crops from `quality_crop`, 0 to 1, shape (len(crops),).

        A score is the estimated probability that the face matches another, ordinary photo of the
        same person: with the manifest's reference model, at its threshold for `target_fmr`.
        """
        if not crops:
            return np.empty(0)
        batch = np.stack(crops)[:, None].astype(np.float32)
        return self._session.run(batch)[0].reshape(-1).astype(np.float64)


def quality_crop(image: Image, landmarks: Points) -> NDArray[np.uint8]:
    """Returns the network's input: an aligned grey crop, shape (CROP_SIZE, CROP_SIZE)."""
    return to_grey(five_point_crop(image, landmarks, CROP_TEMPLATE, CROP_SIZE))


def to_grey(image: Image) -> NDArray[np.uint8]:
    """Returns the luma of an RGB image, shape (height, width)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _read_manifest(file: Path) -> QualityManifest:
    try:
        return QualityManifest.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"{file} is not readable: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise ModelError(f"{file} is not a valid manifest: {error}") from error
