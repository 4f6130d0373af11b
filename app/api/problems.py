"""Maps errors to HTTP statuses and `application/problem+json` responses (RFC 9457)."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.body_errors import BodyTooSlow
from app.api.schemas.problems import EnrolledPerson, FieldProblem, Problem, Reason
from app.errors import (
    AlreadyEnrolled,
    DifferentPerson,
    ExternalIdTaken,
    InvalidRequest,
    ModelError,
    MultipleFaces,
    NotReady,
    Overloaded,
    PoorQuality,
    PoorReason,
    RateLimited,
    SimaError,
    WordNotFound,
)
from app.errors_words import UnknownText
from app.validation import error_text

INTERNAL_ERROR = "an unexpected error occurred; report the request_id to the operator"
_LONGEST_DETAIL = 1_000
_LONGEST_PATH_PART = 100
_SHOWN_FIELDS = 3
_UNION_MEMBER = re.compile(r"constrained-\w+|function-\w+\[.*|(list|dict|tuple)\[.*")

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
    "rejection_not_found": 404,
    "api_key_not_found": 404,
    "visitor_not_found": 404,
    "request_timeout": 408,
    "already_enrolled": 409,
    "different_person": 409,
    "external_id_taken": 409,
    "collection_exists": 409,
    "projection_exists": 409,
    "space_mismatch": 409,
    "shadow_exists": 409,
    "shadow_not_found": 409,
    "people_missing": 409,
    "too_few_people": 409,
    "audit_log_damaged": 409,
    "image_too_large": 413,
    "file_too_large": 413,
    "body_too_large": 413,
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
    "overloaded": 503,
}
_ROUTER_ERRORS = {
    404: ("not_found", "no endpoint has this path; see /openapi.json"),
    405: ("method_not_allowed", "the endpoint does not support this method; see the Allow header"),
}


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of an endpoint for these statuses and the common ones."""
    schema = {"$ref": "#/components/schemas/Problem"}
    described: dict[int | str, dict[str, Any]] = {}
    for status in (*statuses, 401, 403, 408, 413, 422, 429, 503):
        codes = [code for code, listed in STATUS.items() if listed == status]
        content: dict[str, Any] = {"schema": schema}
        examples = _examples(codes)
        if examples:
            content["examples"] = examples
        described[status] = {
            "description": ", ".join(codes),
            "content": {"application/problem+json": content},
        }
    return described


def problem(
    request_id: str, code: str, detail: str, status: int | None = None, **more: object
) -> Response:
    """The response for an error; `more` are further members of `Problem`."""
    body = _body(request_id, code, detail, status or STATUS[code], **more)
    return Response(
        body.model_dump_json(exclude_none=True),
        body.status,
        media_type="application/problem+json",
        headers={"WWW-Authenticate": "ApiKey"} if body.status == 401 else None,
    )


def problem_of(request_id: str, error: SimaError) -> Problem:
    """The `Problem` of a domain error, for responses that contain several."""
    code = _code(error)
    return _body(request_id, code, _detail(error), STATUS[code], **_more(error))


def _examples(codes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Examples of those errors that have members of their own, for the OpenAPI document."""
    person_id, name = "9c1185a5c5e9fc5461280897", "Barack Obama"
    errors = (
        AlreadyEnrolled(person_id, name, similarity=0.81, threshold=0.66),
        DifferentPerson(person_id, name, similarity=0.12, threshold=0.43),
        ExternalIdTaken(person_id),
        MultipleFaces(2),
        PoorQuality((PoorReason("too_dark", measured=17.2, limit=40.0),)),
    )
    return {
        error.code: {
            "value": problem_of("5f0c2e6f9b1d4c43", error).model_dump(exclude_none=True),
        }
        for error in errors
        if error.code in codes
    }


def _body(request_id: str, code: str, detail: str, status: int, **more: Any) -> Problem:
    return Problem(
        type=f"urn:sima:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail if len(detail) <= _LONGEST_DETAIL else detail[: _LONGEST_DETAIL - 1] + "…",
        code=code,
        request_id=request_id,
        **more,
    )


def field_problems(errors: Sequence[Mapping[str, Any]]) -> list[FieldProblem]:
    """Pydantic's errors in the service's own words."""
    return [FieldProblem(where=_path(error["loc"]), message=error_text(error)) for error in errors]


def _path(location: Sequence[str | int]) -> str:
    """The path of a field, without pydantic's names for the alternatives of a union."""
    parts = [str(part)[:_LONGEST_PATH_PART] for part in location]
    return ".".join(part for part in parts if not _UNION_MEMBER.fullmatch(part)) or "body"


def install(app: FastAPI) -> None:
    """Registers the exception handlers, so that every error response is a problem."""
    app.add_exception_handler(SimaError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(ValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


def request_id_of(request: Request) -> str:
    """The id that the middleware assigned to this request."""
    return str(request.scope.get("request_id", ""))


def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, SimaError)
    response = problem(request_id_of(request), _code(error), _detail(error), **_more(error))
    if isinstance(error, RateLimited | Overloaded):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, BodyTooSlow):
        response.headers["Connection"] = "close"
    return response


def _code(error: SimaError) -> str:
    """The code for the client, to whom the details of a model error are not shown."""
    return "internal_error" if isinstance(error, ModelError) else error.code


def _detail(error: SimaError) -> str:
    return INTERNAL_ERROR if _code(error) == "internal_error" else str(error)


def _more(error: SimaError) -> dict[str, Any]:
    more: dict[str, Any] = {}
    match error:
        case AlreadyEnrolled() | DifferentPerson():
            more["person"] = EnrolledPerson(person_id=error.person_id, name=error.name)
            more["similarity"], more["threshold"] = error.similarity, error.threshold
        case ExternalIdTaken():
            more["person_id"] = error.person_id
        case PoorQuality():
            more["reasons"] = [
                Reason(code=r.code, measured=r.measured, limit=r.limit) for r in error.reasons
            ]
        case WordNotFound():
            more["suggestions"] = list(error.suggestions)
            if isinstance(error, UnknownText):
                where = f"input.{error.position}"
                more["errors"] = [FieldProblem(where=where, message=str(error))]
        case MultipleFaces():
            more["faces"] = error.count
        case NotReady():
            more["check"] = error.check
        case InvalidRequest():
            more["errors"] = [FieldProblem(where=error.where, message=str(error))]
    return more


def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    fields = field_problems(error.errors())
    detail = "; ".join(f"{field.where}: {field.message}" for field in fields[:_SHOWN_FIELDS])
    if len(fields) > _SHOWN_FIELDS:
        detail += f"; {len(fields) - _SHOWN_FIELDS} more in errors"
    return problem(request_id_of(request), "validation_error", detail, errors=fields)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, SimaError):  # raised while FastAPI read the body
        return _domain(request, error.__cause__)
    if error.status_code == 400:  # FastAPI could not parse the body
        detail = "the request body cannot be parsed; send valid JSON in UTF-8"
        return problem(request_id_of(request), "validation_error", detail)
    code, detail = _ROUTER_ERRORS.get(
        error.status_code, ("http_error", HTTPStatus(error.status_code).phrase)
    )
    response = problem(request_id_of(request), code, detail, error.status_code)
    response.headers.update(error.headers or {})
    return response
