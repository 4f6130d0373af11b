"""The face pipeline: decode an image, detect faces, align, assess quality, embed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.faces.pipeline.decode import DecodedImage
from app.faces.pipeline.decode_budget import DecodeBudget
from app.faces.pipeline.detect import Detector, rescale
from app.faces.pipeline.embed import Embedder
from app.faces.pipeline.image_header import ImageHeader
from app.faces.pipeline.image_limits import ImageLimits
from app.faces.pipeline.quality import QualityLimits, failed_checks
from app.faces.pipeline.quality_model import QualityModel, quality_crop
from app.faces.pipeline.rotation import QUARTERS, turn_back, turned
from app.faces.pipeline.selection import FaceChoice, FaceSelection, ImageAnalysis
from app.faces.pipeline.types import Detection, Face, Image, Quality
from app.timings import Timings
from app.vectors import Matrix

__all__ = ["FaceChoice", "FacePipeline", "FaceSelection", "ImageAnalysis"]

_UPRIGHT_SCORE = 0.3
"""With `rotate`, faces below this quality are also sought in the other orientations.

MTCNN finds some faces upside down, with the eyes at the mouth. Of faces that are rolled by 25 to
180 degrees, 95 % score below 0.3; of held-out photos as they are, 95 % score above 0.57.
"""


class FacePipeline:
    """Turns image bytes into faces and faces into unit vectors. Thread-safe."""

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        image_limits: ImageLimits,
        quality_limits: QualityLimits,
        quality_model: QualityModel,
        decode_budget: DecodeBudget | None = None,
    ) -> None:
        """Concurrent calls share `decode_budget`; None: a budget of the default size."""
        self.detector, self.embedder, self._quality_model = detector, embedder, quality_model
        self._image_limits, self._quality_limits = image_limits, quality_limits
        self._decode_budget = decode_budget or DecodeBudget()

    def analyze(self, data: bytes, timings: Timings, rotate: bool = False) -> ImageAnalysis:
        """Detects and assesses every face of an image. Raises the image errors of `decode`.

        Waits while other images take up the memory of the decode budget.

        If no face is found and `rotate` is set, the image is also examined turned by 90, 180 and
        270 degrees; the turn that shows the face of the highest quality is used. The same applies
        if all faces are of very low quality, as faces are that were detected upside down.
        """
        with timings.stage("decode"):
            header = self._image_limits.accept(data)
        with self._decode_budget.reserve(header.decoded_bytes):
            return self._analyze(data, header, timings, rotate)

    def _analyze(
        self, data: bytes, header: ImageHeader, timings: Timings, rotate: bool
    ) -> ImageAnalysis:
        with timings.stage("decode"):
            image = DecodedImage(data, header, self._image_limits.preview_side)
        quarters, faces = 0, self._faces(image, 0, timings)
        if rotate and _best_score(faces) < _UPRIGHT_SCORE:
            for turn in QUARTERS:
                found = self._faces(image, turn, timings)
                if _best_score(found) > _best_score(faces):
                    quarters, faces = turn, found
        return ImageAnalysis(image.width, image.height, faces, 90 * quarters)

    def embed(self, faces: Sequence[Face], timings: Timings) -> Matrix:
        """Returns unit vectors, shape (len(faces), dimension)."""
        with timings.stage("embed"):
            return self.embedder.embed([face.crop for face in faces])

    def _faces(self, image: DecodedImage, quarters: int, timings: Timings) -> tuple[Face, ...]:
        """Detects, crops and assesses the faces of an image turned by quarters."""
        preview = turned(image.preview, quarters)
        with timings.stage("detect"):
            detections = self.detector.detect(preview)
        with timings.stage("align"):
            cuts = [self._cut(image, preview, detection, quarters) for detection in detections]
            scores = self._quality_model.score([cut.grey for cut in cuts])
            return tuple(
                self._face(image, cut, quarters, float(score))
                for cut, score in zip(cuts, scores, strict=True)
            )

    def _cut(
        self, image: DecodedImage, preview: Image, in_preview: Detection, quarters: int
    ) -> "_Cut":
        """Crops from the preview unless the face has fewer pixels there than the crop."""
        detection = rescale(in_preview, 1.0 / image.scale)
        side = min(in_preview.box.width, in_preview.box.height)
        source, located = preview, in_preview
        size = self.embedder.manifest.input.size
        if image.scale < 1.0 and side < size:
            larger, scale = image.at_least(min(1.0, image.scale * size / max(side, 1.0)))
            source, located = turned(larger, quarters), rescale(detection, scale)
        grey = quality_crop(source, located.landmarks)
        return _Cut(detection, self.embedder.crop(source, located), grey)

    def _face(self, image: DecodedImage, cut: "_Cut", quarters: int, score: float) -> Face:
        found = turn_back(cut.detection, quarters, image.width, image.height)
        size = (image.width, image.height)
        reasons = failed_checks(found, cut.crop, score, size, self._quality_limits)
        return Face(found, Quality(round(score, 3), reasons), cut.crop)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A detection in pixels of the turned image, the embedder's crop and the quality network's."""

    detection: Detection
    crop: Image
    grey: NDArray[np.uint8]


def _best_score(faces: Sequence[Face]) -> float:
    return max((face.quality.score for face in faces), default=-1.0)
