"""Loads the distillation teacher: one or several published embedders, combined into one.

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
    """Locations of the teachers: their manifest folders, and the folder of the ONNX files.

    `weights` is None if each ONNX file is in its manifest's folder.
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

    Raises ValueError if the model uses another alignment.
    """
    if not isinstance(manifest.alignment, FivePoint):
        raise ValueError(f"{manifest.name} is not aligned by five points")
    return np.array(manifest.alignment.template, dtype=np.float64)


def aligned_crop(embedder: Embedder, image: Image, landmarks: Points) -> Image:
    """The crop that `embedder` takes, by the serving code; `landmarks` are pixels, shape (5, 2)."""
    return embedder.crop(image, Detection(_NO_BOX, landmarks, 1.0))


class OpenVinoSession:
    """An OpenVINO network, in bf16 if the processor supports it. Not thread-safe."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        import openvino as ov  # noqa: PLC0415 - an extra; optional here
        from openvino import properties  # noqa: PLC0415 - same

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
        """All outputs of one batch, in order. Compiles the network for each new batch shape."""
        shape = batch.shape
        if shape not in self._compiled:
            self._model.reshape(list(shape))
            self._compiled[shape] = self._core.compile_model(self._model, "CPU", self._settings)
        outputs = self._compiled[shape](batch)
        # A network exported for one image at a time flattens a larger batch into one row.
        return [np.array(value).reshape(len(batch), -1) for value in outputs.values()]


class OneByOneSession:
    """Runs a network with a fixed batch size of 1 on batches of any size."""

    def __init__(self, session: OnnxSession) -> None:
        self._session = session

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, best first."""
        return self._session.providers

    def run(self, batch: Tensor | Pixels) -> list[Tensor]:
        """All outputs of the batch, in order, computed row by row. The batch must not be empty."""
        rows = [self._session.run(batch[n : n + 1]) for n in range(len(batch))]
        return [np.concatenate(outputs) for outputs in zip(*rows, strict=True)]


def load_teacher(
    folder: Path, weights: Path | None, fast: bool = False, threads: int = 1
) -> OnnxEmbedder:
    """The embedder of the manifest in `folder`; its ONNX file is in `weights` or `folder`.

    `fast` uses OpenVINO with `threads` threads where it is installed; the embeddings then differ
    by bf16 rounding (cosine 0.999). Raises ModelError if the ONNX file is missing or its digest
    is not the manifest's.
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
    """Concatenates the unit vectors of several embedders and optionally reduces their dimension.

    `reduction` has shape (sum of the members' dimensions, dimension); None reduces nothing.
    Thread-safe if all members are. Raises ModelError without members.
    """

    def __init__(self, members: Sequence[Embedder], reduction: Matrix | None) -> None:
        if not members:
            raise ModelError("distillation needs at least one teacher")
        self.members = tuple(members)
        self._reduction = reduction

    def embed(self, images: Sequence[Image], landmarks: Sequence[Points]) -> Matrix:
        """Unit vectors, shape (len(images), dimension).

        Each image shows one face with `landmarks` of shape (5, 2), in pixels of the image.
        """
        parts = []
        for member in self.members:
            faces = zip(images, landmarks, strict=True)
            parts.append(member.embed([aligned_crop(member, *face) for face in faces]))
        return combine(parts, self._reduction)


def combine(parts: Sequence[Matrix], reduction: Matrix | None) -> Matrix:
    """Concatenates unit vectors by face, reduces and normalises them; shape (n, dimension)."""
    together = l2_normalize(np.concatenate(parts, axis=1))
    return together if reduction is None else l2_normalize(together @ reduction)


def principal_axes(parts: Sequence[Matrix], dimension: int) -> Matrix | None:
    """Orthonormal axes of the largest second moments of the concatenated unit vectors.

    Shape (sum of dimensions, dimension), or None if no reduction is needed. This is a principal
    component analysis without subtraction of the mean, which preserves inner products best.
    Raises ValueError if the teachers have fewer than `dimension` dimensions.
    """
    together = l2_normalize(np.concatenate(parts, axis=1)).astype(np.float64)
    available = together.shape[1]
    if available < dimension:
        raise ValueError(
            f"the teachers have {available} dimensions, the network has {dimension}: "
            "add a teacher or lower network.dimension"
        )
    if available == dimension:
        return None
    _, axes = np.linalg.eigh(together.T @ together)
    return np.ascontiguousarray(axes[:, ::-1][:, :dimension], dtype=np.float32)


def load_teachers(files: TeacherFiles, reduction: Matrix | None, fast: bool = True) -> Teacher:
    """The combined teacher of `files`; `fast` as in `load_teacher`."""
    members = [load_teacher(folder, files.weights, fast) for folder in files.folders]
    return Teacher(members, reduction)
