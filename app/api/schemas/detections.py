"""Responses about detected faces, of an image or of a stored template."""

from collections.abc import Iterable

from pydantic import BaseModel

from app.errors import PoorReason
from app.faces.pipeline import types
from app.store.detections import StoredDetection


class Box(BaseModel):
    """Top left corner and size in pixels."""

    x: float
    y: float
    width: float
    height: float


class Landmarks(BaseModel):
    """(x, y) in pixels."""

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    mouth_left: tuple[float, float]
    mouth_right: tuple[float, float]

    @classmethod
    def of(cls, points: Iterable[Iterable[float]]) -> "Landmarks":
        left_eye, right_eye, nose, mouth_left, mouth_right = (
            (round(float(x), 1), round(float(y), 1)) for x, y in points
        )
        return cls(
            left_eye=left_eye,
            right_eye=right_eye,
            nose=nose,
            mouth_left=mouth_left,
            mouth_right=mouth_right,
        )


class QualityReason(BaseModel):
    """A failed quality check: `measured` is beyond `limit`."""

    code: str
    measured: float
    limit: float


class Quality(BaseModel):
    """`score` is 0 to 1; `reasons` is empty for a face that can be enrolled."""

    score: float
    reasons: list[QualityReason]

    @classmethod
    def of(cls, score: float, reasons: Iterable[PoorReason]) -> "Quality":
        found = [QualityReason(code=r.code, measured=r.measured, limit=r.limit) for r in reasons]
        return cls(score=score, reasons=found)


class Face(BaseModel):
    """A detected face, in pixels of the upright image; left is the viewer's left."""

    box: Box
    landmarks: Landmarks
    detection_score: float
    quality: Quality

    @classmethod
    def of(cls, face: types.Face) -> "Face":
        box, quality = face.detection.box, face.quality
        return cls(
            box=Box(
                x=round(box.x, 1),
                y=round(box.y, 1),
                width=round(box.width, 1),
                height=round(box.height, 1),
            ),
            landmarks=Landmarks.of(face.detection.landmarks),
            detection_score=round(face.detection.score, 4),
            quality=Quality.of(quality.score, quality.reasons),
        )

    @classmethod
    def of_stored(cls, found: StoredDetection, quality: float) -> "Face":
        """The face that a template was made from; `quality` is the score of the template."""
        x, y, width, height = found.box
        return cls(
            box=Box(x=x, y=y, width=width, height=height),
            landmarks=Landmarks.of(found.landmarks),
            detection_score=found.score,
            quality=Quality.of(quality, found.reasons),
        )
