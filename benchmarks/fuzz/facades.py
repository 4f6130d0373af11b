"""The operations of DeepStack and CompreFace, which `/openapi.json` does not describe."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.fuzz.operations import Operation, Parameter
from benchmarks.fuzz.values import Schema

_TEXT: Schema = {"type": "string"}
_IMAGE: Schema = {"type": "string", "format": "binary"}
_RATE: Schema = {"type": "number", "minimum": 0.0, "maximum": 1.0}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_VECTOR: Schema = {"type": "array", "items": {"type": "number"}}
_VECTORS: Schema = {"type": "array", "items": _VECTOR}
_KEY_IN_PATH = ("", "/{key}")


def deepstack() -> list[Operation]:
    """The operations of `app.compat.deepstack`, whose responses have the status 200."""
    return list(_deepstack())


def _deepstack() -> Iterator[Operation]:
    fields: dict[str, dict[str, Schema]] = {
        "": {"image": _IMAGE, "min_confidence": _RATE},
        "/recognize": {"image": _IMAGE, "min_confidence": _RATE},
        "/register": {"image": _IMAGE, "image2": _IMAGE, "userid": _TEXT},
        "/list": {},
        "/delete": {"userid": _TEXT},
        "/match": {"image1": _IMAGE, "image2": _IMAGE},
    }
    for path, properties in fields.items():
        schema = {
            "type": "object",
            "properties": {**properties, "api_key": _TEXT},
            "required": [name for name in properties if name != "min_confidence"],
        }
        bodies = {"multipart/form-data": schema, "application/x-www-form-urlencoded": schema}
        for prefix in _KEY_IN_PATH:
            key = [Parameter("key", "path", "api_key", _TEXT, required=True)] if prefix else []
            yield Operation("POST", f"{prefix}/v1/vision/face{path}", key, bodies)


def compreface() -> list[Operation]:
    """The operations of `app.compat.compreface`."""
    detection = {"det_prob_threshold": _RATE}
    options = {**detection, "limit": _COUNT, "face_plugins": _TEXT, "status": _FLAG}
    faces = {**options, "prediction_count": _COUNT}
    file = _image_bodies("file")
    subject, ids = _json({"subject": _TEXT}), {"type": "array", "items": _TEXT}
    embeddings = _json({"embeddings": _VECTORS})
    page = {"page": _COUNT, "size": _COUNT, "subject": _TEXT}
    example, recognition = "/recognition/faces", "/recognition/embeddings"
    described: Sequence[tuple[str, str, Mapping[str, Schema], Mapping[str, Schema] | None]] = (
        ("POST", "/recognition/subjects", {}, subject),
        ("GET", "/recognition/subjects", {}, None),
        ("DELETE", "/recognition/subjects", {}, None),
        ("PUT", "/recognition/subjects/{subject}", {}, subject),
        ("DELETE", "/recognition/subjects/{subject}", {}, None),
        ("POST", example, {**detection, "subject": _TEXT}, file),
        ("GET", example, page, None),
        ("DELETE", example, {"subject": _TEXT}, None),
        ("POST", f"{example}/delete", {}, {"application/json": ids}),
        ("DELETE", f"{example}/{{image_id}}", {}, None),
        ("GET", f"{example}/{{image_id}}/img", {}, None),
        ("GET", "/static/{key}/images/{image_id}", {}, None),
        ("POST", "/detection/detect", options, file),
        ("POST", "/recognition/recognize", faces, file),
        ("POST", f"{recognition}/recognize", {"prediction_count": _COUNT}, embeddings),
        ("POST", f"{example}/{{image_id}}/verify", options, file),
        ("POST", f"{recognition}/faces/{{image_id}}/verify", {}, embeddings),
        ("POST", "/verification/verify", options, _image_bodies("source_image", "target_image")),
        (
            "POST",
            "/verification/embeddings/verify",
            {},
            _json({"source": _VECTOR, "targets": _VECTORS}),
        ),
    )
    return [
        Operation(method, f"/api/v1{path}", [*_path_parameters(path), *_queries(query)], bodies)
        for method, path, query, bodies in described
    ]


def _path_parameters(path: str) -> list[Parameter]:
    kinds = {"key": "api_key", "subject": "subject", "image_id": "image_id"}
    return [
        Parameter(name, "path", kind, _TEXT, required=True)
        for name, kind in kinds.items()
        if f"{{{name}}}" in path
    ]


def _queries(query: Mapping[str, Schema]) -> list[Parameter]:
    return [
        Parameter(name, "query", name, schema, required=name == "subject")
        for name, schema in query.items()
    ]


def _image_bodies(*names: str) -> dict[str, Schema]:
    schema = {"type": "object", "properties": dict.fromkeys(names, _IMAGE), "required": names}
    return {"multipart/form-data": schema, **_json(dict.fromkeys(names, _IMAGE))}


def _json(properties: Mapping[str, Schema]) -> dict[str, Schema]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"application/json": schema}
