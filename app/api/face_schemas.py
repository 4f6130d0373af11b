"""Requests and answers about faces, people and collections, as the contract names them."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.faces import types
from app.faces.types import Points
from app.store import collections as store
from app.store import people

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS)]
Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS)]
CollectionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Rate = Annotated[float, Field(gt=0.0, le=0.5)]


class Request(BaseModel):
    """Unknown fields are an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def example(body: dict[str, Any]) -> ConfigDict:
    """The configuration that shows `body` as the example of a request in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"example": body})


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


class VerifyFields(Request):
    person_id: Identifier | None = None
    collection: CollectionName | None = None
    target_fmr: Rate = 0.001


class IdentifyFields(Request):
    collection: CollectionName = "default"
    top_k: Annotated[int, Field(ge=1, le=100)] = 5
    target_fpir: Rate = 0.01
    faces: Literal["all", "largest"] = "all"


class PersonChanges(Request):
    model_config = example({"name": "Barack Obama", "metadata": {"team": "press"}})

    name: Name | None = None
    external_id: Identifier | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _sensible(self) -> "PersonChanges":
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("a person keeps a name")
        if "metadata" in self.model_fields_set and self.metadata is None:
            raise ValueError("metadata is an object; {} empties it")
        return self

    def columns(self) -> dict[str, Any]:
        """What was sent, by the store's names."""
        renamed = {"metadata": "attributes"}
        return {renamed.get(f, f): getattr(self, f) for f in self.model_fields_set}


class NewCollection(Request):
    model_config = example({"name": "visitors", "kind": "gallery"})

    name: CollectionName
    kind: Literal["gallery", "vocabulary"] = "gallery"
    model: str | None = None


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


class Person(BaseModel):
    person_id: str
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    collection: str
    photos: int
    created_at: datetime

    @classmethod
    def of(cls, person: people.Person) -> "Person":
        return cls(
            person_id=person.person_id,
            name=person.name,
            external_id=person.external_id,
            metadata=person.metadata,
            collection=person.collection,
            photos=person.photos,
            created_at=person.created_at,
        )


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


class PersonPage(BaseModel):
    persons: list[Person]
    next_cursor: str | None


class Photo(BaseModel):
    template_id: str
    quality: float | None
    created_at: datetime


class PhotoList(BaseModel):
    photos: list[Photo]


class Collection(BaseModel):
    """`size` counts people or words."""

    name: str
    kind: Literal["gallery", "vocabulary"]
    model: str
    dimension: int
    size: int
    created_at: datetime

    @classmethod
    def of(cls, collection: store.Collection) -> "Collection":
        return cls(
            name=collection.name,
            kind=collection.kind,
            model=collection.space.name,
            dimension=collection.space.dimension,
            size=collection.size,
            created_at=collection.created_at,
        )


class CollectionList(BaseModel):
    collections: list[Collection]
