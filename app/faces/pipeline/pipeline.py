"""The face pipeline: decode an image, detect faces, align, assess quality, embed."""

from collections.abc import Sequence

from app.faces.pipeline.decode import DecodedImage, ImageLimits, decode
from app.faces.pipeline.detect import Detector, rescale
from app.faces.pipeline.embed import Embedder
from app.faces.pipeline.quality import QualityLimits, assess
from app.faces.pipeline.rotation import QUARTERS, turn_back, turned
from app.faces.pipeline.selection import FaceChoice, FaceSelection, ImageAnalysis
from app.faces.pipeline.types import Detection, Face, Image
from app.timings import Timings
from app.vectors import Matrix

__all__ = ["FaceChoice", "FacePipeline", "FaceSelection", "ImageAnalysis"]


class FacePipeline:
    """Turns image bytes into faces and faces into unit vectors. Thread-safe."""

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        image_limits: ImageLimits,
        quality_limits: QualityLimits,
    ) -> None:
        self.detector, self.embedder = detector, embedder
        self._image_limits, self._quality_limits = image_limits, quality_limits

    def analyze(self, data: bytes, timings: Timings, rotate: bool = False) -> ImageAnalysis:
        """Detects and assesses every face of an image. Raises the image errors of `decode`.

        If no face is found and `rotate` is set, the image is also examined turned by 90, 180 and
        270 degrees; the turn with the highest detection score is used.
        """
        with timings.stage("decode"):
            image = decode(data, self._image_limits)
        with timings.stage("detect"):
            quarters, detections = 0, self.detector.detect(image.preview)
            if rotate and not detections:
                quarters, detections = self._detect_turned(image.preview)
        with timings.stage("align"):
            faces = tuple(self._face(image, found, quarters) for found in detections)
        return ImageAnalysis(image.width, image.height, faces, 90 * quarters)

    def embed(self, faces: Sequence[Face], timings: Timings) -> Matrix:
        """Returns unit vectors, shape (len(faces), dimension)."""
        with timings.stage("embed"):
            return self.embedder.embed([face.crop for face in faces])

    def _detect_turned(self, preview: Image) -> tuple[int, list[Detection]]:
        """Returns the best quarter turn and the faces in the image turned by it; 0 without any."""
        by_turn = {turn: self.detector.detect(turned(preview, turn)) for turn in QUARTERS}
        best = max(by_turn, key=lambda turn: max((d.score for d in by_turn[turn]), default=0.0))
        return (best, by_turn[best]) if by_turn[best] else (0, [])

    def _face(self, image: DecodedImage, in_preview: Detection, quarters: int) -> Face:
        """Crops and assesses a face that was detected in the preview turned by `quarters`."""
        detection = rescale(in_preview, 1.0 / image.scale)
        crop = self._crop(image, in_preview, detection, quarters)
        found = turn_back(detection, quarters, image.width, image.height)
        size = (image.width, image.height)
        return Face(found, assess(found, crop, size, self._quality_limits), crop)

    def _crop(
        self, image: DecodedImage, in_preview: Detection, detection: Detection, quarters: int
    ) -> Image:
        """Crops from the preview unless the face has fewer pixels there than the crop."""
        side = min(in_preview.box.width, in_preview.box.height)
        if image.scale < 1.0 and side < self.embedder.manifest.input.size:
            return self.embedder.crop(turned(image.full(), quarters), detection)
        return self.embedder.crop(turned(image.preview, quarters), in_preview)
