"""The faces of one image, and the rules that select one of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from app.errors import MultipleFaces, NoFace
from app.faces.pipeline.types import Face

FaceChoice = Literal["subject", "largest", "only"]
"""Which face of an image is used where one is needed."""

FaceSelection = Literal["all", "subject", "largest"]
"""Which faces of an image are used where several may be."""

RIVAL_AREA = 0.5
"""A second face rivals the subject if its box has at least this share of the subject's area.

That is a side of 0.71: people beside the subject at about the same distance from the camera, not
those well behind it. Enrolling the wrong person costs more than a refusal, which `face=largest`
overrides.
"""


@dataclass(frozen=True, slots=True)
class FaceFilter:
    """Ignores faces with a detection score below `lowest_score`, 0 to 1, and, of the others, all
    but the `limit` largest; None: no limit."""

    lowest_score: float = 0.0
    limit: int | None = None

    def apply(self, faces: Sequence[Face]) -> tuple[Face, ...]:
        """The faces that remain, in the order of `faces`, which are largest first."""
        found = [face for face in faces if face.detection.score >= self.lowest_score]
        return tuple(found[: self.limit])


EVERY_FACE = FaceFilter()


@dataclass(frozen=True, slots=True)
class ImageAnalysis:
    """The faces of one image, largest first, and the size of the upright image in pixels.

    `rotation` is the counterclockwise angle in degrees (0, 90, 180 or 270) by which the image was
    turned to detect the faces; boxes and landmarks are pixels of the image that is not turned.
    """

    width: int
    height: int
    faces: tuple[Face, ...]
    rotation: int = 0

    def filtered(self, accepted: FaceFilter) -> "ImageAnalysis":
        """The analysis with the faces that the filter accepts."""
        if accepted is EVERY_FACE:
            return self
        return replace(self, faces=accepted.apply(self.faces))

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

    def only(self) -> Face:
        """Returns the single face. Raises NoFace or MultipleFaces."""
        if len(self.faces) > 1:
            raise MultipleFaces(len(self.faces))
        return self.largest()

    def largest(self) -> Face:
        """Returns the face with the largest box. Raises NoFace."""
        if not self.faces:
            raise NoFace("the image shows no face; send an image with a visible face")
        return self.faces[0]

    def subject(self) -> Face:
        """Returns the most prominent face (see `prominence`). Raises NoFace."""
        self.largest()
        return max(self.faces, key=self.prominence)

    def unrivalled_subject(self) -> Face:
        """Returns the subject. Raises NoFace, or MultipleFaces if a second face rivals it.

        A rival has at least RIVAL_AREA of the subject's area, wherever it is. An unrivalled
        subject is therefore also the largest face.
        """
        subject = self.subject()
        limit = RIVAL_AREA * subject.detection.box.area
        if any(face.detection.box.area >= limit for face in self.faces if face is not subject):
            raise MultipleFaces(len(self.faces))
        return subject

    def prominence(self, face: Face) -> float:
        """Returns the area A of the box weighted by its closeness to the image's centre.

        A * exp(-2 d^2 / A) in square pixels, where d is the distance of the centres. Its expansion
        to first order is A - 2 d^2, the rule by which FaceNet's training images were cropped
        (Sandberg 2016, align_dataset_mtcnn). That difference is negative for every face far from
        the centre, and then prefers a small face in the background.
        """
        box = face.detection.box
        offset = box.centre - np.array([self.width, self.height]) / 2
        area = max(box.area, 1e-9)
        return area * math.exp(-2.0 * float(offset @ offset) / area)
