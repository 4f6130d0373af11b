"""Requests and answers about faces, as the contract names them."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from app.api.schemas.base import CollectionName, Identifier, Name, Rate, Request
from app.api.schemas.persons import Person
from app.faces.pipeline import types
from app.faces.pipeline.types import Points


class NoFields(Request):
    """Only the photo."""


class EmbedFields(Request):
    faces: Literal["largest", "all"] = "largest"


class EnrollFields(Request):
    name: Name | None = None
    collection: CollectionName = "default"
    person_id: Identifier | None = None
    external_id: Identifier | None = None
    metadata: dict[str, Any] = {}
    face: Literal["only", "largest"] = "only"
    on_duplicate: Literal["reject", "allow"] = "reject"
    dry_run: bool = False

    @field_validator("metadata", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        """A form or a query carries the object as JSON text."""
        return json.loads(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _nothing_ignored(self) -> "EnrollFields":
        known = {"external_id", "metadata"} & self.model_fields_set
        if self.person_id is not None and known:
            raise ValueError("external_id and metadata of a known person change by PATCH /persons")
        return self


class VerifyFields(Request):
    person_id: Identifier | None = None
    collection: CollectionName | None = None
    target_fmr: Rate = 0.001

    @model_validator(mode="after")
    def _nothing_ignored(self) -> "VerifyFields":
        if self.collection is not None and self.person_id is None:
            raise ValueError("collection goes with person_id")
        return self


class IdentifyFields(Request):
    collection: CollectionName = "default"
    top_k: Annotated[int, Field(ge=1, le=100)] = 5
    target_fpir: Rate = 0.01
    faces: Literal["all", "largest"] = "all"


class Box(BaseModel):
    x: float
    y: float
    width: float
    height: float


class Landmarks(BaseModel):
    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    mouth_left: tuple[float, float]
    mouth_right: tuple[float, float]

    @classmethod
    def of(cls, points: Points) -> "Landmarks":
        rows = [(round(float(x), 1), round(float(y), 1)) for x, y in points]
        return cls(
            left_eye=rows[0],
            right_eye=rows[1],
            nose=rows[2],
            mouth_left=rows[3],
            mouth_right=rows[4],
        )


class QualityReason(BaseModel):
    code: str
    measured: float
    limit: float


class Quality(BaseModel):
    score: float
    reasons: list[QualityReason]


class Face(BaseModel):
    """In pixels of the upright image; left is the viewer's left."""

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
            quality=Quality(
                score=quality.score,
                reasons=[
                    QualityReason(code=r.code, measured=r.measured, limit=r.limit)
                    for r in quality.reasons
                ],
            ),
        )


class Detected(BaseModel):
    faces: list[Face]
    width: int
    height: int


class EmbeddedFace(BaseModel):
    face: Face
    embedding: list[float]


class Embedded(BaseModel):
    faces: list[EmbeddedFace]
    model: str


class Enrolled(BaseModel):
    """After a dry run `template_id` and `created_at` are null; so is `person_id` unless given."""

    person_id: str | None
    name: str
    collection: str
    template_id: str | None
    face: Face
    model: str
    created_at: datetime | None


class FacePair(BaseModel):
    a: Face
    b: Face | None = None


class Verified(BaseModel):
    verified: bool
    decision: Literal["match", "no_match"]
    similarity: float
    distance: float
    threshold: float
    target_fmr: float
    estimated_fmr: float
    faces: FacePair
    person: Person | None = None
    model: str


class Candidate(BaseModel):
    person_id: str
    name: str
    similarity: float
    distance: float
    template_id: str


class IdentifiedFace(BaseModel):
    face: Face
    decision: Literal["match", "unknown", "ambiguous"]
    person: Person | None
    candidates: list[Candidate]


class Identified(BaseModel):
    faces: list[IdentifiedFace]
    gallery_size: int
    threshold: float
    target_fpir: float
    model: str
