"""decode -> detect -> align -> quality -> embed, in that order, for one photo."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.errors import MultipleFaces, NoFace
from app.faces.pipeline.decode import ImageLimits, Photo, decode
from app.faces.pipeline.detect import Detector, rescale
from app.faces.pipeline.embed import Embedder
from app.faces.pipeline.quality import QualityLimits, assess
from app.faces.pipeline.types import Detection, Face, Image
from app.timings import Timings
from app.vectors import Matrix


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face in a photo together with its aligned crop."""

    face: Face
    crop: Image


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything seen in one photo, largest face first; sizes in pixels of the upright image."""

    width: int
    height: int
    sightings: tuple[Sighting, ...]

    def only(self) -> Sighting:
        """The one face. Raises NoFace or MultipleFaces."""
        if len(self.sightings) > 1:
            raise MultipleFaces(len(self.sightings))
        return self.largest()

    def largest(self) -> Sighting:
        """The largest face. Raises NoFace."""
        if not self.sightings:
            raise NoFace("the photo shows no face")
        return self.sightings[0]

    def subject(self) -> Sighting:
        """The face that the photo was taken of. Raises NoFace.

        Large and near the middle: area less twice the squared offset from the photo's centre,
        as FaceNet's training photos were cut (Sandberg 2016, align_dataset_mtcnn).
        """
        self.largest()
        middle = np.array([self.width, self.height]) / 2

        def prominence(sighting: Sighting) -> float:
            box = sighting.face.detection.box
            return box.area - 2.0 * float(((box.centre - middle) ** 2).sum())

        return max(self.sightings, key=prominence)


class FacePipeline:
    """Turns photo bytes into faces and faces into unit vectors. Thread-safe."""

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        image_limits: ImageLimits,
        quality_limits: QualityLimits,
    ) -> None:
        self.detector, self.embedder = detector, embedder
        self._image_limits, self._quality_limits = image_limits, quality_limits

    def look(self, data: bytes, timings: Timings) -> Scene:
        """Find and judge every face of a photo. Raises the image errors of `decode`."""
        with timings.stage("decode"):
            photo = decode(data, self._image_limits)
        with timings.stage("detect"):
            found = self.detector.detect(photo.preview)
        with timings.stage("align"):
            sightings = tuple(self._sighting(photo, detection) for detection in found)
        return Scene(photo.width, photo.height, sightings)

    def embed(self, sightings: Sequence[Sighting], timings: Timings) -> Matrix:
        """Unit vectors, one row a sighting."""
        with timings.stage("embed"):
            return self.embedder.embed([sighting.crop for sighting in sightings])

    def _sighting(self, photo: Photo, in_preview: Detection) -> Sighting:
        detection = rescale(in_preview, 1.0 / photo.scale)
        size = self.embedder.manifest.input.size
        small = min(in_preview.box.width, in_preview.box.height) < size
        if small and photo.scale < 1.0:  # the preview holds too few pixels of this face
            crop = self.embedder.crop(photo.full(), detection)
        else:
            crop = self.embedder.crop(photo.preview, in_preview)
        size_of_photo = (photo.width, photo.height)
        return Sighting(
            Face(detection, assess(detection, crop, size_of_photo, self._quality_limits)), crop
        )
