"""The members of `application/problem+json` responses (RFC 9457)."""

from pydantic import BaseModel, ConfigDict


class FieldProblem(BaseModel):
    """A field that is invalid. `where` is its path in the request."""

    where: str
    message: str


class Reason(BaseModel):
    """A failed quality check: `measured` is beyond `limit`."""

    code: str
    measured: float
    limit: float


class EnrolledPerson(BaseModel):
    """The person that the face is enrolled as, or that it does not match."""

    person_id: str
    name: str


class Problem(BaseModel):
    """An error. `code` is stable; the fields after `request_id` are present for some codes only."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:sima:problem:no_face",
                "title": "No face",
                "status": 422,
                "detail": "the image shows no face",
                "code": "no_face",
                "request_id": "5f0c2e6f9b1d4c43",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = None
    reasons: list[Reason] | None = None
    person: EnrolledPerson | None = None
    similarity: float | None = None
    threshold: float | None = None
    person_id: str | None = None
    suggestions: list[str] | None = None
    faces: int | None = None
    check: str | None = None
