"""Errors about the bodies of requests, which no other interface than HTTP has."""

from app.errors import SimaError


class BodyTooLarge(SimaError):
    """The JSON of the request has more bytes than the settings allow, its images apart."""

    code = "body_too_large"


class BodyTooSlow(SimaError):
    """The body of the request arrives more slowly than the service waits for it."""

    code = "request_timeout"
