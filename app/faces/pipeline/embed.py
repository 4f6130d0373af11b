"""Embeds aligned crops with an ONNX model as its manifest specifies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from app.errors import ModelError
from app.faces.pipeline.align import box_margin_crop, five_point_crop
from app.faces.pipeline.types import Detection, Image
from app.inference.batching import BatchingSession, BatchLimits
from app.inference.manifest import BoxMargin, Manifest, read_manifest, read_verified
from app.inference.session import OnnxSession, Session, Tensor
from app.vectors import EmbeddingSpace, Matrix, l2_normalize


class Embedder(Protocol):
    """Crops faces and turns crops into unit vectors of one embedding space."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def space(self) -> EmbeddingSpace: ...

    @property
    def providers(self) -> tuple[str, ...]: ...

    def crop(self, image: Image, detection: Detection) -> Image: ...

    def embed(self, crops: Sequence[Image]) -> Matrix: ...

    def close(self) -> None: ...


class OnnxEmbedder:
    """Runs the network of a manifest. Thread-safe."""

    def __init__(self, manifest: Manifest, session: Session):
        self.manifest = manifest
        self.space = manifest.space
        self._session = session
        spec = manifest.input
        self._mean = np.array(spec.mean, dtype=np.float32).reshape(3, 1, 1)
        self._scale = 1.0 / np.array(spec.std, dtype=np.float32).reshape(3, 1, 1)
        self._warm_up()

    @property
    def providers(self) -> tuple[str, ...]:
        """Execution providers in use, best first."""
        return self._session.providers

    def crop(self, image: Image, detection: Detection) -> Image:
        """Returns the aligned square crop, RGB uint8, shape (size, size, 3)."""
        alignment, size = self.manifest.alignment, self.manifest.input.size
        if isinstance(alignment, BoxMargin):
            margin, stretch = alignment.margin, alignment.stretch
            return box_margin_crop(image, detection.box, margin, size, stretch)
        template = np.array(alignment.template, dtype=np.float64)
        return five_point_crop(image, detection.landmarks, template, size)

    def embed(self, crops: Sequence[Image]) -> Matrix:
        """Returns unit vectors, shape (len(crops), dimension). Raises ModelError."""
        if not crops:
            return np.empty((0, self.space.dimension), dtype=np.float32)
        tensor = self.tensor(crops)
        if not self.manifest.input.mirror:
            return self._run(tensor)
        vectors = self._run(np.concatenate([tensor, tensor[..., ::-1]]))
        return l2_normalize(vectors[: len(crops)] + vectors[len(crops) :])

    def close(self) -> None:
        """Ends the collection of batches; embeddings that wait for one raise ModelError."""
        if isinstance(self._session, BatchingSession):
            self._session.close()

    def _run(self, tensor: Tensor) -> Matrix:
        output = self._session.run(tensor)[0]
        expected = (len(tensor), self.space.dimension)
        if output.shape != expected:
            raise ModelError(
                f"{self.space.name} returned shape {output.shape}, "
                f"expected {expected}; correct its manifest"
            )
        if not np.isfinite(output).all():
            raise ModelError(f"{self.space.name} returned NaN or infinity; install the model again")
        return l2_normalize(output)

    def tensor(self, crops: Sequence[Image]) -> Tensor:
        """Returns the network's input, float32, shape (len(crops), 3, size, size)."""
        batch = np.stack(crops).transpose(0, 3, 1, 2)
        if self.manifest.input.channels == "BGR":
            batch = batch[:, ::-1]
        return np.ascontiguousarray((batch - self._mean) * self._scale, dtype=np.float32)

    def _warm_up(self) -> None:
        size = self.manifest.input.size
        self.embed([np.zeros((size, size, 3), dtype=np.uint8)])


def load_embedder(
    folder: Path,
    providers: Sequence[str],
    intra_op_threads: int = 1,
    batches: BatchLimits | None = None,
) -> OnnxEmbedder:
    """Opens the model in `folder` after verifying its digest, and runs it once.

    With `batches`, the crops of concurrent calls are embedded together. Raises ModelError if the
    manifest, the weights or the output are invalid.
    """
    manifest = read_manifest(folder)
    weights = read_verified(folder / manifest.file, manifest.sha256)
    session: Session = OnnxSession(weights, providers, intra_op_threads)
    return OnnxEmbedder(manifest, BatchingSession(session, batches) if batches else session)
