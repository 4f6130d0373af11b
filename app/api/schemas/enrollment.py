"""Requests and responses of enrollment, single and batch."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from app.api.schemas.base import GalleryField, Identifier, MetadataField, Name, Request
from app.api.schemas.detections import Face
from app.api.schemas.face_requests import Rotation
from app.api.schemas.problems import EnrolledPerson, Problem
from app.faces.enrollment import Enrollment, EnrollOrder
from app.faces.enrollment_checks import PossibleDuplicate
from app.faces.pipeline.selection import FaceChoice

_MAX_BATCH = 100


class EnrollFields(Request):
    """Fields of `POST /enroll`. With `person_id` the image is added to that person."""

    name: Annotated[
        Name | None,
        Field(
            description="The person's name; required unless person_id is sent.",
            examples=["Barack Obama"],
        ),
    ] = None
    collection: GalleryField = "default"
    person_id: Annotated[
        Identifier | None,
        Field(
            description="Adds the image to this person, whom it must match.",
            examples=["9c1185a5c5e9fc5461280897"],
        ),
    ] = None
    external_id: Annotated[
        Identifier | None,
        Field(description="Your own id; unique within the collection.", examples=["staff-44"]),
    ] = None
    metadata: Annotated[
        MetadataField,
        Field(
            description="Your own data about the person; a JSON object.",
            examples=[{"team": "press"}],
        ),
    ] = {}
    face: Annotated[
        FaceChoice,
        Field(
            description="`subject`: the most prominent face; `multiple_faces` if another has at "
            "least half its area. `largest`: the largest. `only`: `multiple_faces` if there are "
            "several.",
            examples=["subject"],
        ),
    ] = "subject"
    rotate: Rotation = "no"
    on_duplicate: Annotated[
        Literal["reject", "allow"],
        Field(
            description="A face that matches another person is `already_enrolled`, or stored.",
            examples=["reject"],
        ),
    ] = "reject"
    on_mismatch: Annotated[
        Literal["reject", "allow"],
        Field(
            description="An image that does not match the person of `person_id` is "
            "`different_person`, or stored.",
            examples=["reject"],
        ),
    ] = "reject"
    source: Annotated[
        Identifier | None,
        Field(description="Where the image is from; stored with the template.", examples=["door"]),
    ] = None
    image_id: Annotated[
        Identifier | None,
        Field(description="Your own id of the image; stored with it.", examples=["IMG_0412"]),
    ] = None
    dry_run: Annotated[
        bool, Field(description="Run every check and store nothing.", examples=[False])
    ] = False

    @model_validator(mode="after")
    def _reject_ignored_fields(self) -> "EnrollFields":
        known = {"external_id", "metadata"} & self.model_fields_set
        if self.person_id is not None and known:
            raise ValueError(
                "external_id and metadata are not allowed with person_id; "
                "use PATCH /persons/{person_id} to change them"
            )
        return self

    def order(self, key: str | None) -> EnrollOrder:
        """The enrollment that the fields describe, with an idempotency key if there is one."""
        return EnrollOrder(
            name=self.name,
            collection=self.collection,
            person_id=self.person_id,
            external_id=self.external_id,
            metadata=self.metadata,
            face=self.face,
            allow_duplicate=self.on_duplicate == "allow",
            allow_mismatch=self.on_mismatch == "allow",
            dry_run=self.dry_run,
            key=key,
            source=self.source,
            image_id=self.image_id,
            rotate=self.rotate == "auto",
        )


class BatchItem(EnrollFields):
    """The fields of `POST /enroll`, with the image in base64."""

    image: str


class Batch(Request):
    """Enrollments in the order in which they are executed."""

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=_MAX_BATCH)]


class PossibleDuplicateOut(BaseModel):
    """Another person whom the image would verify as: `similarity` reaches `threshold`."""

    person: EnrolledPerson
    similarity: float
    threshold: float

    @classmethod
    def of(cls, found: PossibleDuplicate) -> "PossibleDuplicateOut":
        person, judgement = found.person, found.judgement
        return cls(
            person=EnrolledPerson(person_id=person.person_id, name=person.name),
            similarity=judgement.similarity,
            threshold=judgement.threshold,
        )


class Enrolled(BaseModel):
    """An enrolled template.

    `possible_duplicate` is null with `on_duplicate=allow` and in a replayed response.

    After a dry run `template_id` and `created_at` are null, and `person_id` is null unless sent.
    """

    person_id: str | None
    name: str
    collection: str
    template_id: str | None
    face: Face
    model: str
    created_at: datetime | None
    possible_duplicate: PossibleDuplicateOut | None

    @classmethod
    def of(cls, result: Enrollment, collection: str, model: str) -> "Enrolled":
        resembled = result.possible_duplicate
        return cls(
            person_id=result.person.person_id if result.person else None,
            name=result.name,
            collection=collection,
            template_id=result.template.template_id if result.template else None,
            face=Face.of(result.face),
            model=model,
            created_at=result.template.created_at if result.template else None,
            possible_duplicate=PossibleDuplicateOut.of(resembled) if resembled else None,
        )


class BatchResult(BaseModel):
    """The HTTP status of one item with the response of `POST /enroll` or the problem."""

    status: int
    enrolled: Enrolled | None = None
    problem: Problem | None = None


class BatchAnswer(BaseModel):
    """Results in the order of the items, and the numbers of enrolled and refused items."""

    results: list[BatchResult]
    enrolled: int
    refused: int
