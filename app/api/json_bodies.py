"""Reads JSON bodies: bounded in size and depth, large ones parsed in a worker thread."""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import numpy as np
from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.api.active_request import TIMEOUT_HEADER, ActiveRequest
from app.api.body_errors import BodyTooLarge
from app.api.deps import get_context
from app.errors import InvalidRequest

T = TypeVar("T")

MAX_LEVELS = 32
_MAX_IMAGES = 1_000
_PARSED_IN_THREAD = 64_000  # bytes from which parsing would delay other requests

# Possessive quantifiers: no input makes these patterns backtrack.
_IMAGE = re.compile(
    rb'"(?:image(?:_[ab])?|file|Bytes|(?:source|target)_image)"\s*+:\s*+"[^"\\]*+(?:\\/[^"\\]*+)*+"'
)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class BoundedJsonRoute(APIRoute):
    """A route whose JSON body is read by `read_json`, also where FastAPI itself reads it.

    Before the body is read, the request is refused if its deadline cannot be met.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, called with a `_BoundedJsonRequest`."""
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            ActiveRequest.of(request.scope).shorten(request.headers.get(TIMEOUT_HEADER))
            with (await get_context(request)).announce():
                return await handle(_BoundedJsonRequest(request.scope, request.receive))

        return handle_bounded


class _BoundedJsonRequest(Request):
    async def json(self) -> Any:
        """The parsed body. Raises like `read_json`."""
        return await read_json(self, json.loads)


async def read_json(request: Request, parse: Callable[[bytes], T]) -> T:
    """The body as `parse` returns it, which may run in a worker thread.

    Raises BodyTooLarge for more than SIMA_MAX_JSON_BYTES besides the images, InvalidRequest for
    more than MAX_LEVELS levels, and the errors of `parse`.
    """
    body = await request.body()
    context = await get_context(request)
    limit = context.services.settings.max_json_bytes

    def work() -> T:
        _check(body, limit)
        return parse(body)

    return work() if len(body) < _PARSED_IN_THREAD else await context.parse(work)


def _check(body: bytes, limit: int) -> None:
    if len(body) > limit:
        body = _IMAGE.sub(b'""', body, count=_MAX_IMAGES)
    if len(body) > limit:
        raise BodyTooLarge(
            f"the JSON body has more than {limit} bytes besides its images; send less, or raise "
            "SIMA_MAX_JSON_BYTES"
        )
    if _levels(body) > MAX_LEVELS:
        raise InvalidRequest("body", f"the JSON body has more than {MAX_LEVELS} levels; send fewer")


def _levels(body: bytes) -> int:
    """How deeply arrays and objects are nested, at most."""
    openings = body.count(b"[") + body.count(b"{")
    if openings <= MAX_LEVELS:
        return openings  # without a look at the strings
    characters = np.frombuffer(_STRING.sub(b"", body), np.uint8)
    opening = (characters == ord("[")) | (characters == ord("{"))
    closing = (characters == ord("]")) | (characters == ord("}"))
    steps = opening.astype(np.int32) - closing.astype(np.int32)
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))
