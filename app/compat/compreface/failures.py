"""Errors in the form of CompreFace: `{"message", "code"}`, with its codes where it has one."""

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from app.api.problems import STATUS, field_problems
from app.errors import (
    AlreadyEnrolled,
    DifferentPerson,
    ModelError,
    MultipleFaces,
    Overloaded,
    RateLimited,
    SimaError,
)

_OTHER = 0
_INVALID = 26
_CODES: dict[str, tuple[int, int]] = {
    "collection_not_found": (404, 10),
    "forbidden": (403, 10),
    "unauthorized": (401, 20),
    "invalid_image": (400, 21),
    "unsupported_media_type": (400, 21),
    "image_too_large": (413, 21),
    "body_too_large": (413, _INVALID),
    "validation_error": (400, _INVALID),
    "already_enrolled": (400, _INVALID),
    "different_person": (400, _INVALID),
    "no_face": (400, 28),
    "multiple_faces": (400, 31),
    "internal_error": (500, 41),
    "not_ready": (503, 41),
    "overloaded": (503, 41),
    "person_not_found": (404, 42),
    "name_taken": (400, 43),
    "photo_not_found": (404, 44),
}
"""HTTP status and code of CompreFace, by the error code of this service."""


class Failure(BaseModel):
    """An error. Clients take any answer with a `message` for one."""

    message: str
    code: int


def failure(error: SimaError) -> Response:
    """The response for an error."""
    code = "internal_error" if isinstance(error, ModelError) else error.code
    status, number = _CODES.get(code, (STATUS.get(code, 500), _OTHER))
    response = _response("internal error" if status == 500 else _text(error), status, number)
    if isinstance(error, RateLimited | Overloaded):
        response.headers["Retry-After"] = str(error.retry_after)
    if status == 401:
        response.headers["WWW-Authenticate"] = "ApiKey"
    if status == 408:
        response.headers["Connection"] = "close"
    return response


def invalid_fields(error: ValidationError) -> Response:
    """The response for invalid query parameters, or an invalid body."""
    fields = field_problems(error.errors())
    return _response("; ".join(f"{one.where}: {one.message}" for one in fields[:3]), 400, _INVALID)


def _text(error: SimaError) -> str:
    """The message, with the remedies that this API has."""
    match error:
        case AlreadyEnrolled():
            return f"this face is enrolled as {error.name!r}; add the photo to that subject"
        case DifferentPerson():
            return f"the photo does not match the subject {error.name!r}; send another photo"
        case MultipleFaces():
            return f"the image shows {error.count} faces; send an image of one person"
    return str(error)


def _response(message: str, status: int, code: int) -> Response:
    body = Failure(message=message, code=code).model_dump_json()
    return Response(body, status, media_type="application/json")
