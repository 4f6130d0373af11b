"""Errors in the form of Rekognition: `{"__type", "Message"}`, with its names."""

import json

from fastapi import Response
from pydantic import ValidationError

from app.api.problems import STATUS, field_problems
from app.errors import ModelError, Overloaded, RateLimited, SimaError

MEDIA_TYPE = "application/x-amz-json-1.1"

INVALID = "InvalidParameterException"
_NAMES = {
    "already_enrolled": INVALID,
    "body_too_large": "ImageTooLargeException",
    "collection_exists": "ResourceAlreadyExistsException",
    "collection_not_found": "ResourceNotFoundException",
    "external_id_taken": "ConflictException",
    "forbidden": "AccessDeniedException",
    "image_too_large": "ImageTooLargeException",
    "internal_error": "InternalServerError",
    "invalid_image": "InvalidImageFormatException",
    "no_face": INVALID,
    "person_not_found": "ResourceNotFoundException",
    "photo_not_found": INVALID,
    "rate_limited": "ThrottlingException",
    "request_timeout": "RequestTimeoutException",
    "unauthorized": "UnrecognizedClientException",
    "unsupported_media_type": "InvalidImageFormatException",
    "validation_error": INVALID,
}
"""Rekognition's name by the error code of this service."""
_UNAVAILABLE = "ServiceUnavailableException"
_SHOWN_FIELDS = 3


class RekognitionError(SimaError):
    """An error that only this API has; `name` is that of Rekognition."""

    code = "validation_error"

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def invalid(message: str) -> RekognitionError:
    """An error about a parameter."""
    return RekognitionError(INVALID, message)


def failure(error: SimaError) -> Response:
    """The response for an error: 400, or 500 and 503 for faults of the service."""
    if isinstance(error, RekognitionError):
        return _response(400, error.name, str(error))
    code = "internal_error" if isinstance(error, ModelError) else error.code
    status = STATUS.get(code, 500)
    if status == 500:
        return _response(500, _NAMES["internal_error"], "internal error")
    if status == 503:
        response = _response(503, _UNAVAILABLE, str(error))
    else:
        response = _response(400, _NAMES.get(code, INVALID), str(error))
    if isinstance(error, RateLimited | Overloaded):
        response.headers["Retry-After"] = str(error.retry_after)
    if status == 408:
        response.headers["Connection"] = "close"
    return response


def invalid_fields(error: ValidationError) -> Response:
    """The response for a body that violates the schema of the operation."""
    fields = field_problems(error.errors())
    text = "; ".join(f"{one.where}: {one.message}" for one in fields[:_SHOWN_FIELDS])
    return _response(400, INVALID, text)


def _response(status: int, name: str, message: str) -> Response:
    body = json.dumps({"__type": name, "Message": message})
    return Response(body, status, media_type=MEDIA_TYPE)
