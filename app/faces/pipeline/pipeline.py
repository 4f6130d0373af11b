"""The face pipeline: decode an image, detect faces, align, assess quality, embed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.errors import MultipleFaces, NoFace
from app.faces.pipeline.decode import DecodedImage, ImageLimits, decode
from app.faces.pipeline.detect import Detector, rescale
from app.faces.pipeline.embed import Embedder
from app.faces.pipeline.quality import QualityLimits, assess
from app.faces.pipeline.types import Detection, Face, Image
from app.timings import Timings
from app.vectors import Matrix

FaceChoice = Literal["subject", "largest", "only"]
"""Which face of an image is used where one is needed."""

FaceSelection = Literal["all", "subject", "largest"]
"""Which faces of an image are used where several may be."""

_RIVAL_AREA = 0.5


@dataclass(frozen=True, slots=True)
class ImageAnalysis:
    """The faces of one image, largest first, and the size of the upright image in pixels."""

    width: int
    height: int
    faces: tuple[Face, ...]

    def only(self) -> Face:
        """Returns the single face. Raises NoFace or MultipleFaces."""
        if len(self.faces) > 1:
            raise MultipleFaces(len(self.faces))
        return self.largest()

    def largest(self) -> Face:
        """Returns the largest face. Raises NoFace."""
        if not self.faces:
            raise NoFace("the image shows no face; send an image with a visible face")
        return self.faces[0]

    def subject(self) -> Face:
        """Returns the most prominent face: large and close to the centre. Raises NoFace.

        Maximises the box's area less twice the squared distance of its centre from the image's
        centre, as FaceNet's training images were cropped (Sandberg 2016, align_dataset_mtcnn).
        """
        self.largest()
        centre = np.array([self.width, self.height]) / 2

        def prominence(face: Face) -> float:
            box = face.detection.box
            return box.area - 2.0 * float(((box.centre - centre) ** 2).sum())

        return max(self.faces, key=prominence)

    def unrivalled_subject(self) -> Face:
        """Returns the subject. Raises NoFace, or MultipleFaces if a second face rivals it.

        A rival has at least half the subject's area, wherever it is. An unrivalled subject is
        therefore also the largest face.
        """
        subject = self.subject()
        limit = _RIVAL_AREA * subject.detection.box.area
        if any(face.detection.box.area >= limit for face in self.faces if face is not subject):
            raise MultipleFaces(len(self.faces))
        return subject

    def choose(self, which: FaceChoice) -> Face:
        """Returns the face that `which` names. Raises NoFace; MultipleFaces only for `only`."""
        match which:
            case "subject":
                return self.subject()
            case "largest":
                return self.largest()
            case "only":
                return self.only()

    def select(self, which: FaceSelection) -> tuple[Face, ...]:
        """Returns the faces that `which` names; none if the image shows no face."""
        if which == "all" or not self.faces:
            return self.faces
        return (self.choose(which),)


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

    def analyze(self, data: bytes, timings: Timings) -> ImageAnalysis:
        """Detects and assesses every face of an image. Raises the image errors of `decode`."""
        with timings.stage("decode"):
            image = decode(data, self._image_limits)
        with timings.stage("detect"):
            detections = self.detector.detect(image.preview)
        with timings.stage("align"):
            faces = tuple(self._face(image, detection) for detection in detections)
        return ImageAnalysis(image.width, image.height, faces)

    def embed(self, faces: Sequence[Face], timings: Timings) -> Matrix:
        """Returns unit vectors, shape (len(faces), dimension)."""
        with timings.stage("embed"):
            return self.embedder.embed([face.crop for face in faces])

    def _face(self, image: DecodedImage, in_preview: Detection) -> Face:
        detection = rescale(in_preview, 1.0 / image.scale)
        crop = self._crop(image, in_preview, detection)
        size = (image.width, image.height)
        return Face(detection, assess(detection, crop, size, self._quality_limits), crop)

    def _crop(self, image: DecodedImage, in_preview: Detection, detection: Detection) -> Image:
        """Crops from the preview unless the face has fewer pixels there than the crop."""
        side = min(in_preview.box.width, in_preview.box.height)
        if image.scale < 1.0 and side < self.embedder.manifest.input.size:
            return self.embedder.crop(image.full(), detection)
        return self.embedder.crop(image.preview, in_preview)
