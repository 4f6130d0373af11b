"""Writes a line for each request: by which key, from where, to which collection."""

from starlette.requests import Request
from starlette.types import Scope

from app.api.callers import find_caller
from app.logs import get_logger
from app.validation import is_resource_name

PROBES = frozenset({"/health", "/ready", "/metrics"})
"""Routes that monitoring calls every few seconds. They are counted in the metrics only."""

_COLLECTION = "collection"
_NAMED = ("/collections/{name}", "/vocabularies/{name}")
_PARAMETERS = ("collection", "vocabulary")
_log = get_logger("sima.access")


def note_collection(request: Request, name: str | None) -> None:
    """States the collection of a request whose path and query parameters do not name it."""
    request.scope[_COLLECTION] = name


def log_request(scope: Scope, route: str, status: int, seconds: float) -> None:
    """Logs a finished request, unless it was a probe. `route` is the template of its path."""
    if route in PROBES:
        return
    caller, client = find_caller(scope), scope.get("client")
    _log.info(
        "request_finished",
        request_id=scope["request_id"],
        key_id=caller.key_id if caller else None,
        address=client[0] if client else None,
        method=scope["method"],
        route=route,
        collection=_collection(scope, route) if status < 400 else None,
        status=status,
        milliseconds=round(seconds * 1000.0, 2),
    )


def _collection(scope: Scope, route: str) -> str | None:
    """The collection of a request that succeeded, so that it exists; otherwise a client could write
    any text into the log."""
    noted = scope.get(_COLLECTION)
    if noted is not None:
        return str(noted)
    request = Request(scope)
    names = [request.path_params.get("name")] if route.startswith(_NAMED) else []
    names += [request.query_params.get(name) for name in _PARAMETERS]
    return next((name for name in names if name and is_resource_name(name)), None)
