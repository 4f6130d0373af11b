"""The operations of a service, from its OpenAPI document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.fuzz.values import Schema

_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_NAMES = {
    "/collections": "collection",
    "/vocabularies": "vocabulary",
    "/zero-shot/projections": "projection",
}
"""Which names the parameter or field `name` of a path takes."""


_LEFT_OUT = frozenset({("delete", "/api-keys/{key_id}")})
"""It would revoke the keys of the run itself: `GET /audit` names them."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter; `place` is path, query or header; `kind` is the field of `Known` with values."""

    name: str
    place: str
    kind: str
    schema: Schema
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, with the schemas of its bodies by media type.

    Callers of a signed operation send a signature in place of their key.
    """

    method: str
    path: str
    parameters: Sequence[Parameter] = ()
    bodies: Mapping[str, Schema] | None = None
    is_signed: bool = False

    @property
    def name(self) -> str:
        """Method and path, for an operation that a header names with its name."""
        names = [str(one.schema["const"]) for one in self.parameters if "const" in one.schema]
        return " ".join((self.method, self.path, *names))


_LEFT_OUT_WITHOUT_KEYS = frozenset({("post", "/api-keys")})
"""The first key would exclude everybody else from a service without keys."""


def operations_of(document: Mapping[str, Any], *, with_keys: bool) -> list[Operation]:
    """The operations of an OpenAPI document, for a service with or without keys."""
    left_out = _LEFT_OUT if with_keys else _LEFT_OUT | _LEFT_OUT_WITHOUT_KEYS
    return [
        Operation(
            method.upper(),
            path,
            [_parameter(path, one) for one in operation.get("parameters", ())],
            _bodies(operation),
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in _METHODS and (method, path) not in left_out
    ]


def name_kind(path: str, name: str) -> str:
    """The field of `Known` with the values of a parameter or body field of this path."""
    kinds = (kind for start, kind in _NAMES.items() if path.startswith(start))
    return next(kinds, name) if name == "name" else name


def _parameter(path: str, described: Mapping[str, Any]) -> Parameter:
    name, place = described["name"], described["in"]
    kind = name_kind(path, name) if place == "path" else name
    return Parameter(name, place, kind, described["schema"], bool(described.get("required")))


def _bodies(operation: Mapping[str, Any]) -> dict[str, Schema] | None:
    content = operation.get("requestBody", {}).get("content")
    return {kind: one["schema"] for kind, one in content.items()} if content else None


def undocumented() -> list[Operation]:
    """Operations that the OpenAPI document of every service leaves out."""
    paths = (
        "/",
        "/console/",
        "/docs",
        "/docs/start.js",
        "/redoc",
        "/openapi.json",
        "/metrics",
        "/nowhere",
        "/persons/",
        "//",
    )
    others = [Operation("GET", path) for path in paths]
    return [*others, Operation("OPTIONS", "/persons"), Operation("HEAD", "/health")]
