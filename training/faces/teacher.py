"""Loads the distillation teacher: one or several published embedders, combined into one target.

OpenVINO runs the small teachers on a CPU in bf16 several times as fast as ONNX Runtime in fp32
(training/LOG.md); where OpenVINO is not installed, ONNX Runtime is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import ModelError
from app.faces.pipeline.embed import Embedder, OnnxEmbedder
from app.faces.pipeline.types import Box, Detection, Image, Points
from app.inference.manifest import FivePoint, Manifest, read_manifest, read_verified
from app.inference.session import OnnxSession, Pixels, Tensor, choose_providers
from app.vectors import Matrix, l2_normalize

_NO_BOX = Box(0, 0, 0, 0)  # a five-point crop does not use the box


@dataclass(frozen=True, slots=True)
class TeacherFiles:
    """Where the teachers are: their manifest folders, and the folder of the ONNX files.

    `weights` is None where each ONNX file is in its manifest's folder.
    """

    folders: tuple[Path, ...]
    weights: Path | None = None

    def manifests(self) -> list[Manifest]:
        """The teachers' manifests, in order."""
        return [read_manifest(folder) for folder in self.folders]

    def template(self) -> Points:
        """The first teacher's five-point template, fractions of the crop, shape (5, 2)."""
        return template_of(read_manifest(self.folders[0]))


def template_of(manifest: Manifest) -> Points:
    """The five-point template of a manifest, fractions of the crop, shape (5, 2).

    Raises ValueError where the model is aligned in another way.
    """
    if not isinstance(manifest.alignment, FivePoint):
        raise ValueError(f"{manifest.name} is not aligned by five points")
    return np.array(manifest.alignment.template, dtype=np.float64)


class OpenVinoSession:
    """One network in bf16 where the processor supports it. Not thread-safe."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        import openvino as ov  # noqa: PLC0415 - an extra; optional here
        from openvino import properties  # noqa: PLC0415 - the same

        self._core = ov.Core()
        self._model = self._core.read_model(model, b"")
        capable = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._settings = {
            properties.inference_num_threads(): threads,
            properties.hint.inference_precision(): ov.Type.bf16 if capable else ov.Type.f32,
        }
        self._compiled: dict[tuple[int, ...], Any] = {}

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution provider's name."""
        return ("OpenVINO",)

    def run(self, batch: Tensor | Pixels) -> list[Tensor]:
        """Run one batch; every output in order. A new batch shape is compiled at first use."""
        shape = batch.shape
        if shape not in self._compiled:
            self._model.reshape(list(shape))
            self._compiled[shape] = self._core.compile_model(self._model, "CPU", self._settings)
        answer = self._compiled[shape](batch)
        # A network exported for one image at a time flattens a larger batch into one row.
        return [np.array(value).reshape(len(batch), -1) for value in answer.values()]


class OneByOneSession:
    """Runs a network whose batch size is fixed to 1 on batches of any size."""

    def __init__(self, session: OnnxSession) -> None:
        self._session = session

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, best first."""
        return self._session.providers

    def run(self, batch: Tensor | Pixels) -> list[Tensor]:
        """Run each row by itself and concatenate every output."""
        rows = [self._session.run(batch[n : n + 1]) for n in range(len(batch))]
        return [np.concatenate(outputs) for outputs in zip(*rows, strict=True)]


def load_teacher(
    folder: Path, weights: Path | None, fast: bool = False, threads: int = 1
) -> OnnxEmbedder:
    """A model by its manifest, its ONNX file being in `weights` where that is another folder.

    `fast` asks for OpenVINO with `threads` threads; its outputs differ by bf16's rounding (cosine
    0.999). Raises ModelError where the ONNX file is missing or has another digest.
    """
    manifest = read_manifest(folder)
    content = read_verified((weights or folder) / manifest.file, manifest.sha256)
    if fast:
        try:
            return OnnxEmbedder(manifest, OpenVinoSession(content, threads))
        except ImportError:
            pass
    session = OnnxSession(content, choose_providers("auto"))
    return OnnxEmbedder(manifest, OneByOneSession(session) if session.batch == 1 else session)


class Teacher:
    """Several embedders as one: the concatenation of their unit vectors, optionally reduced.

    `reduction` has shape (sum of the members' dimensions, dimension); None keeps all of them.
    Not thread-safe when the members are not.
    """

    def __init__(self, members: Sequence[Embedder], reduction: Matrix | None) -> None:
        if not members:
            raise ModelError("distillation needs at least one teacher")
        self.members = tuple(members)
        self._reduction = reduction

    def embed(self, images: Sequence[Image], landmarks: Sequence[Points]) -> Matrix:
        """Unit vectors of the faces in `images`, shape (len(images), dimension)."""
        parts = []
        for member in self.members:
            faces = zip(images, landmarks, strict=True)
            crops = [member.crop(image, Detection(_NO_BOX, at, 1.0)) for image, at in faces]
            parts.append(member.embed(crops))
        return combine(parts, self._reduction)


def combine(parts: Sequence[Matrix], reduction: Matrix | None) -> Matrix:
    """Concatenated unit vectors of each face, reduced, at unit length; shape (n, dimension)."""
    together = l2_normalize(np.concatenate(parts, axis=1))
    return together if reduction is None else l2_normalize(together @ reduction)


def principal_axes(parts: Sequence[Matrix], dimension: int) -> Matrix | None:
    """The `dimension` axes that keep most of the concatenated vectors' energy.

    Shape (sum of dimensions, dimension); no mean is subtracted, so that cosines are kept as well
    as an orthogonal projection can. None where nothing is to be reduced. Raises ValueError where
    the teachers have fewer dimensions than asked for.
    """
    together = l2_normalize(np.concatenate(parts, axis=1)).astype(np.float64)
    available = together.shape[1]
    if available < dimension:
        raise ValueError(f"the teachers have {available} dimensions, the network {dimension}")
    if available == dimension:
        return None
    _, axes = np.linalg.eigh(together.T @ together)
    return np.ascontiguousarray(axes[:, ::-1][:, :dimension], dtype=np.float32)


def load_teachers(files: TeacherFiles, reduction: Matrix | None, fast: bool = True) -> Teacher:
    """All teachers of `files` as one."""
    members = [load_teacher(folder, files.weights, fast) for folder in files.folders]
    return Teacher(members, reduction)
