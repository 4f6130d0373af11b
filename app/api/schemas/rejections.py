"""Requests and responses about faces that are not a person."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from app.api.schemas.detections import Face
from app.api.schemas.face_requests import FaceEmbedding, Rotation, SampleFields, TemplateId
from app.faces.pipeline.selection import FaceChoice
from app.store import rejections


class RejectionFields(SampleFields):
    """Fields of `POST /persons/{person_id}/not-this`, besides `image`."""

    embedding: FaceEmbedding = None
    template_id: TemplateId = None
    face: Annotated[
        FaceChoice,
        Field(
            description="The face of the image: `subject`, the most prominent one; `largest`; "
            "`only`: `multiple_faces` if there are several.",
            examples=["subject"],
        ),
    ] = "subject"
    rotate: Rotation = "no"


class Rejection(BaseModel):
    """A face that is not the person. `template_id` is null for a photo or an embedding, of which
    only the embedding is stored."""

    rejection_id: str
    template_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, stored: rejections.Rejection) -> "Rejection":
        return cls(
            rejection_id=stored.rejection_id,
            template_id=stored.template_id,
            created_at=stored.created_at,
        )


class CreatedRejection(Rejection):
    """A new rejection; `face` is the face of the image, null for other samples."""

    face: Face | None


class RejectionList(BaseModel):
    rejections: list[Rejection]
