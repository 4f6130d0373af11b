"""Requests and responses of enrollment, single and batch."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from app.api.problems import Problem
from app.api.schemas.base import CollectionName, Identifier, MetadataField, Name, Request
from app.api.schemas.faces import Face
from app.faces.enrollment import Enrollment, EnrollOrder

_MAX_BATCH = 100


class EnrollFields(Request):
    """Fields of `POST /enroll`. With `person_id` the image is added to that person."""

    name: Name | None = None
    collection: CollectionName = "default"
    person_id: Identifier | None = None
    external_id: Identifier | None = None
    metadata: MetadataField = {}
    face: Literal["only", "largest"] = "only"
    on_duplicate: Literal["reject", "allow"] = "reject"
    dry_run: bool = False

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
            dry_run=self.dry_run,
            key=key,
        )


class BatchItem(EnrollFields):
    """The fields of `POST /enroll`, with the image in base64."""

    image: str


class Batch(Request):
    """Enrollments in the order in which they are executed."""

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=_MAX_BATCH)]


class Enrolled(BaseModel):
    """An enrolled template.

    After a dry run `template_id` and `created_at` are null, and `person_id` is null unless sent.
    """

    person_id: str | None
    name: str
    collection: str
    template_id: str | None
    face: Face
    model: str
    created_at: datetime | None

    @classmethod
    def of(cls, result: Enrollment, collection: str, model: str) -> "Enrolled":
        return cls(
            person_id=result.person.person_id if result.person else None,
            name=result.name,
            collection=collection,
            template_id=result.template.template_id if result.template else None,
            face=Face.of(result.face),
            model=model,
            created_at=result.template.created_at if result.template else None,
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
