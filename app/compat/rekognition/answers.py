"""The answers that Rekognition's clients read, with names in Pascal case."""

import math
import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from app.compat.ids import image_id_of as uuid_of
from app.compat.rekognition.scores import client_similarity
from app.faces.face_index import LOW_SCORE, TOO_MANY, RefusedFace
from app.faces.face_search import ComparedFace, FaceMatch
from app.faces.pipeline.types import Face as DetectedFace
from app.store.faces import StoredFace

Size = tuple[int, int]
"""Width and height of an image in pixels."""

_HEX = re.compile("[0-9a-f]{24}")
_LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
_REASONS = {
    TOO_MANY: "EXCEEDS_MAX_FACES",
    LOW_SCORE: "LOW_FACE_QUALITY",
    "face_too_small": "SMALL_BOUNDING_BOX",
    "blurred": "LOW_SHARPNESS",
    "too_dark": "LOW_BRIGHTNESS",
    "extreme_pose": "EXTREME_POSE",
    "low_detection_score": "LOW_CONFIDENCE",
}
"""Rekognition's reason by that of this service; the others have the general LOW_FACE_QUALITY."""


class Answer(BaseModel):
    """Base class of answers. Fields that are None are left out."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)


class Box(Answer):
    """A box in shares of the width and height of the upright image."""

    width: float
    height: float
    left: float
    top: float

    @classmethod
    def of(cls, box: tuple[float, float, float, float], size: Size) -> "Box":
        """The box x, y, width, height in pixels of an image."""
        x, y, width, height = box
        return cls(
            width=round(width / size[0], 6),
            height=round(height / size[1], 6),
            left=round(x / size[0], 6),
            top=round(y / size[1], 6),
        )


class Landmark(Answer):
    """A point in shares of the width and height; left is the viewer's left."""

    type: str
    x: float
    y: float


class Pose(Answer):
    """The slope of the line of the eyes in degrees, clockwise. Yaw and pitch are not measured."""

    roll: float


class ImageQuality(Answer):
    """The mean grey level of the face, 0 to 100. Sharpness is not measured on a common scale."""

    brightness: float


class FaceDetail(Answer):
    """A face of an image that was sent. It has no attributes such as age or gender."""

    bounding_box: Box
    landmarks: list[Landmark]
    pose: Pose
    quality: ImageQuality
    confidence: float

    @classmethod
    def of(cls, face: DetectedFace, size: Size) -> "FaceDetail":
        box, points = face.detection.box, face.detection.landmarks
        slope = points[1] - points[0]
        return cls(
            bounding_box=Box.of((box.x, box.y, box.width, box.height), size),
            landmarks=[
                Landmark(type=name, x=round(x / size[0], 6), y=round(y / size[1], 6))
                for name, (x, y) in zip(_LANDMARKS, points.tolist(), strict=True)
            ],
            pose=Pose(roll=round(math.degrees(math.atan2(slope[1], slope[0])), 2)),
            quality=ImageQuality(brightness=round(float(face.crop.mean()) / 2.55, 2)),
            confidence=_percent(face.detection.score),
        )


class SearchedFace(Answer):
    """The face that was searched for, or the source of a comparison."""

    bounding_box: Box
    confidence: float

    @classmethod
    def of(cls, face: DetectedFace, size: Size) -> "SearchedFace":
        box = face.detection.box
        return cls(
            bounding_box=Box.of((box.x, box.y, box.width, box.height), size),
            confidence=_percent(face.detection.score),
        )


class Face(Answer):
    """A stored face. Faces of earlier versions have no box and no confidence."""

    face_id: str
    bounding_box: Box | None = None
    image_id: str | None = None
    external_image_id: str | None = None
    confidence: float | None = None
    user_id: str | None = None

    @classmethod
    def of(cls, stored: StoredFace) -> "Face":
        found = stored.detection
        size = found.image_size if found else None
        return cls(
            face_id=uuid_of(stored.template.template_id),
            bounding_box=Box.of(found.box, size) if found and size else None,
            image_id=_image_id(found.source) if found and found.source else None,
            external_image_id=found.image_id if found else None,
            confidence=_percent(found.score) if found else None,
            user_id=stored.person.external_id,
        )


class FaceRecord(Answer):
    """A face that was stored."""

    face: Face
    face_detail: FaceDetail


class UnindexedFace(Answer):
    """A face that was not stored."""

    reasons: list[str]
    face_detail: FaceDetail

    @classmethod
    def of(cls, refused: RefusedFace, size: Size) -> "UnindexedFace":
        names = [_REASONS.get(reason, _REASONS[LOW_SCORE]) for reason in refused.reasons]
        detail = FaceDetail.of(refused.face, size)
        return cls(reasons=list(dict.fromkeys(names)), face_detail=detail)


class IndexedFaces(Answer):
    """The answer of IndexFaces, largest faces first."""

    face_records: Sequence[FaceRecord]
    unindexed_faces: Sequence[UnindexedFace]
    face_model_version: str


class FaceList(Answer):
    """A page of faces in order of enrollment."""

    faces: Sequence[Face]
    next_token: str | None
    face_model_version: str


class UnsuccessfulFace(Answer):
    """A face that was not deleted, associated or disassociated."""

    face_id: str
    reasons: list[str]
    user_id: str | None = None
    confidence: float | None = None


class DeletedFaces(Answer):
    """The answer of DeleteFaces."""

    deleted_faces: list[str]
    unsuccessful_face_deletions: Sequence[UnsuccessfulFace]


class MatchedFace(Answer):
    """A stored face near the searched one."""

    similarity: float
    face: Face

    @classmethod
    def of(cls, match: FaceMatch) -> "MatchedFace":
        return cls(similarity=client_similarity(match.graded), face=Face.of(match.face))


class FoundFaces(Answer):
    """The answer of a search for faces, most similar first."""

    searched_face_id: str | None = None
    searched_face_bounding_box: Box | None = None
    searched_face_confidence: float | None = None
    face_matches: Sequence[MatchedFace]
    face_model_version: str


class ComparedMatch(Answer):
    """A face of the target image that is similar enough."""

    similarity: float
    face: FaceDetail


class ComparedFaces(Answer):
    """The answer of CompareFaces; the most similar match first."""

    source_image_face: SearchedFace
    face_matches: Sequence[ComparedMatch]
    unmatched_faces: Sequence[FaceDetail]


class DetectedFaces(Answer):
    """The answer of DetectFaces, largest faces first."""

    face_details: Sequence[FaceDetail]


class Nothing(Answer):
    """An empty answer."""


def compared_face(compared: ComparedFace, size: Size) -> ComparedMatch:
    """A face of the target image with its similarity."""
    similarity = client_similarity(compared.graded)
    return ComparedMatch(similarity=similarity, face=FaceDetail.of(compared.face, size))


def face_ids(stored: Sequence[str]) -> list[str]:
    """The ids by which clients know templates."""
    return [uuid_of(one) for one in stored]


def _percent(score: float) -> float:
    return round(100.0 * score, 2)


def _image_id(source: str) -> str | None:
    """The id of the image; None for the source of a photo that another API enrolled."""
    return uuid_of(source) if _HEX.fullmatch(source) else None
