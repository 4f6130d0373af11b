"""Errors as `application/problem+json` (RFC 9457). The only place that knows their statuses."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.errors import (
    AlreadyEnrolled,
    InvalidRequest,
    MultipleFaces,
    PoorQuality,
    RateLimited,
    SimaError,
    WordNotFound,
)

STATUS = {
    "invalid_image": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "person_not_found": 404,
    "collection_not_found": 404,
    "word_not_found": 404,
    "vocabulary_not_found": 404,
    "photo_not_found": 404,
    "projection_not_found": 404,
    "erasure_not_found": 404,
    "already_enrolled": 409,
    "collection_exists": 409,
    "projection_exists": 409,
    "space_mismatch": 409,
    "counterpart_exists": 409,
    "no_counterpart": 409,
    "people_missing": 409,
    "image_too_large": 413,
    "file_too_large": 413,
    "unsupported_media_type": 415,
    "validation_error": 422,
    "no_face": 422,
    "multiple_faces": 422,
    "poor_quality": 422,
    "refused_label": 422,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "internal_error": 500,
    "not_ready": 503,
}
_OF_STATUS = {404: "not_found", 405: "method_not_allowed"}


class FieldProblem(BaseModel):
    """One field that does not fit. `where` is its path in the request."""

    where: str
    message: str


class Reason(BaseModel):
    """Why a face is poor: `measured` lies on the wrong side of `limit`."""

    code: str
    measured: float
    limit: float


class EnrolledPerson(BaseModel):
    """The person whose face it is already."""

    person_id: str
    name: str


class Problem(BaseModel):
    """An error. `code` is stable; the fields after `request_id` come with some codes only."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:sima:problem:no_face",
                "title": "No face",
                "status": 422,
                "detail": "the photo shows no face",
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
    suggestions: list[str] | None = None
    faces: int | None = None


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of an endpoint for these statuses, each with its codes."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    described: dict[int | str, dict[str, Any]] = {}
    for status in (*statuses, 401, 403, 422, 429, 503):
        codes = [code for code, its in STATUS.items() if its == status]
        described[status] = {"description": ", ".join(codes), "content": content}
    return described


def problem(
    request_id: str, code: str, detail: str, status: int | None = None, **more: object
) -> Response:
    """The response for one error; `more` are further members of `Problem`."""
    body = _body(request_id, code, detail, status or STATUS[code], **more)
    return Response(
        body.model_dump_json(exclude_none=True),
        body.status,
        media_type="application/problem+json",
        headers={"WWW-Authenticate": "ApiKey"} if body.status == 401 else None,
    )


def problem_of(request_id: str, error: SimaError) -> Problem:
    """An error of the domain, for an answer that holds more than one."""
    return _body(request_id, error.code, _detail(error), STATUS[error.code], **_more(error))


def _body(request_id: str, code: str, detail: str, status: int, **more: Any) -> Problem:
    return Problem(
        type=f"urn:sima:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        **more,
    )


def field_problems(errors: Sequence[Mapping[str, Any]]) -> list[FieldProblem]:
    """Pydantic's errors without the input that caused them: it may be an image or a name."""
    return [
        FieldProblem(
            where=".".join(str(part) for part in error["loc"]) or "body", message=error["msg"]
        )
        for error in errors
    ]


def install(app: FastAPI) -> None:
    """Answer every error of the domain, the framework and the router as a problem."""
    app.add_exception_handler(SimaError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(ValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


def request_id_of(request: Request) -> str:
    """The id that the middleware gave this request."""
    return str(request.scope.get("request_id", ""))


def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, SimaError)
    response = problem(request_id_of(request), error.code, _detail(error), **_more(error))
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _detail(error: SimaError) -> str:
    if error.code == "internal_error":
        return "something went wrong inside the service"
    return str(error)


def _more(error: SimaError) -> dict[str, Any]:
    match error:
        case AlreadyEnrolled():
            person = EnrolledPerson(person_id=error.person_id, name=error.name)
            return {"person": person, "similarity": error.similarity}
        case PoorQuality():
            return {
                "reasons": [
                    Reason(code=r.code, measured=r.measured, limit=r.limit) for r in error.reasons
                ]
            }
        case WordNotFound():
            return {"suggestions": list(error.suggestions)}
        case MultipleFaces():
            return {"faces": error.count}
        case InvalidRequest():
            return {"errors": [FieldProblem(where=error.where, message=str(error))]}
        case _:
            return {}


def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    return problem(
        request_id_of(request),
        "validation_error",
        "the request does not fit the contract",
        errors=field_problems(error.errors()),
    )


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # the framework's word for a body that it cannot parse
        return problem(request_id_of(request), "validation_error", "the body cannot be parsed")
    code = _OF_STATUS.get(error.status_code, "http_error")
    detail = str(error.detail or HTTPStatus(error.status_code).phrase)
    response = problem(request_id_of(request), code, detail, error.status_code)
    response.headers.update(error.headers or {})
    return response
