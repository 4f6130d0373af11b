"""The routes of CompreFace's API: the key in a header or in the path, errors in its form."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.datastructures import MutableHeaders

from app.api.access_log import note_collection
from app.api.authorization import AuthorizedRoute
from app.api.callers import Caller, caller_of
from app.compat.compreface.failures import failure, invalid_fields
from app.errors import SimaError
from app.errors_access import OutOfScope
from app.faces.enrollment import DEFAULT_COLLECTION


class CompreFaceRoute(AuthorizedRoute):
    """A route that is authorized before its body is read; `{key}` in its path is the API key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, whose errors have the form of CompreFace."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            key = request.path_params.get("key")
            if key is not None:  # headers are Latin-1; a key with other characters is unknown
                escaped = key.encode("latin-1", "backslashreplace").decode("latin-1")
                MutableHeaders(scope=request.scope)["X-API-Key"] = escaped
                request = Request(request.scope, request.receive)  # without the headers it has read
            try:
                return await handle(request)
            except SimaError as error:
                return failure(error)
            except ValidationError as error:
                return invalid_fields(error)

        return answer


def new_router() -> APIRouter:
    """A router of this API, which `/openapi.json` does not describe."""
    return APIRouter(prefix="/api/v1", route_class=CompreFaceRoute, include_in_schema=False)


def collection_of(request: Request) -> str:
    """The gallery that the caller's key is restricted to, otherwise the default one.

    The access log states it. Raises OutOfScope for a key that is restricted to several others.
    """
    collection = _bound_collection(caller_of(request))
    note_collection(request, collection)
    return collection


def _bound_collection(caller: Caller) -> str:
    names = caller.collections
    if names is None or DEFAULT_COLLECTION in names:
        return DEFAULT_COLLECTION
    if len(names) != 1:
        raise OutOfScope(
            "this API key is restricted to several collections; use one that is restricted to the "
            "collection of the recognition service"
        )
    return next(iter(names))
