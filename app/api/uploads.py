"""Photos and fields out of a request: multipart, JSON with base64, or the raw body."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import InvalidImage, InvalidRequest, UnsupportedMediaType

Fields = TypeVar("Fields", bound=BaseModel)

_MOST_FIELDS = 20
_LONGEST_FIELD = 64_000
RAW_TYPES = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")


class _InMemoryParser(MultiPartParser):
    """Keeps uploads in memory: a photo never touches the disk. The middleware limits the size."""

    spool_max_size = 2**31


@dataclass(slots=True)
class _Parts:
    fields: dict[str, Any]
    images: dict[str, bytes]


async def read_photos(
    request: Request, schema: type[Fields], names: tuple[str, ...]
) -> tuple[Fields, dict[str, bytes]]:
    """The fields, validated, and the photos by name; only photos named in `names` may come.

    Fields may also come as query parameters. Raises UnsupportedMediaType, InvalidImage,
    InvalidRequest or pydantic's ValidationError.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "multipart/form-data":
        parts = await _multipart(request, names)
    elif media == "application/json":
        parts = _json(await request.body(), names)
    elif media in RAW_TYPES:
        parts = _Parts({}, {names[0]: await request.body()})
    else:
        raise UnsupportedMediaType(
            "send multipart/form-data, application/json, or one photo as the raw body "
            "(image/jpeg, image/png, image/webp)"
        )
    for key, value in request.query_params.multi_items():
        _put(parts.fields, key, value)
    return schema.model_validate(parts.fields), parts.images


async def _multipart(request: Request, names: tuple[str, ...]) -> _Parts:
    parser = _InMemoryParser(
        request.headers,
        request.stream(),
        max_files=len(names),
        max_fields=_MOST_FIELDS,
        max_part_size=_LONGEST_FIELD,
    )
    parts = _Parts({}, {})
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, AssertionError) as error:
        raise InvalidRequest(
            "body", "the multipart body is broken or has too many parts"
        ) from error
    try:
        for key, value in form.multi_items():
            if isinstance(value, UploadFile) and key in names:
                _put(parts.images, key, await value.read())
            elif isinstance(value, UploadFile):
                raise InvalidRequest(key, f"no file is expected here, only {', '.join(names)}")
            elif key in names:
                _put(parts.images, key, decode_base64(value, key))
            else:
                _put(parts.fields, key, value)
    finally:
        await form.close()
    return parts


def _json(body: bytes, names: tuple[str, ...]) -> _Parts:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("body", "the body is not valid JSON") from error
    if not isinstance(content, dict):
        raise InvalidRequest("body", "the body must be a JSON object")
    parts = _Parts({}, {})
    for key, value in content.items():
        if key not in names:
            parts.fields[key] = value
        elif isinstance(value, str):
            parts.images[key] = decode_base64(value, key)
        elif value is not None:
            raise InvalidRequest(key, "an image is a base64 string")
    return parts


def decode_base64(text: str, where: str) -> bytes:
    """Plain base64 or a `data:` URL."""
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise InvalidImage(f"{where} is a data: URL without base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(f"{where} is not valid base64") from error


def _put(target: dict[str, Any], key: str, value: object) -> None:
    if key in target:
        raise InvalidRequest(key, "the field was sent twice")
    target[key] = value


def photo_body(
    schema: type[BaseModel], names: tuple[str, ...], required: tuple[str, ...], raw: bool = True
) -> dict[str, Any]:
    """The OpenAPI description of what `read_photos` takes."""
    fields = schema.model_json_schema(ref_template="#/components/schemas/{model}")
    properties, needed = fields.get("properties", {}), fields.get("required", [])

    def whole(image: dict[str, Any]) -> dict[str, Any]:
        return {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {**dict.fromkeys(names, image), **properties},
                **({"required": [*required, *needed]} if required or needed else {}),
            }
        }

    content: dict[str, Any] = {
        "multipart/form-data": whole({"type": "string", "format": "binary"}),
        "application/json": whole({"type": "string", "contentEncoding": "base64"}),
    }
    if raw:
        for media in RAW_TYPES:
            content[media] = {"schema": {"type": "string", "format": "binary"}}
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": _as_query(field)}
        for name, field in properties.items()
    ]
    return {"parameters": parameters, "requestBody": {"required": True, "content": content}}


def _as_query(field: dict[str, Any]) -> dict[str, Any]:
    """An object travels as JSON text in a query, and nothing is null there."""
    if field.get("type") == "object":
        return {"type": "string", "contentMediaType": "application/json"}
    options = [option for option in field.get("anyOf", []) if option.get("type") != "null"]
    return options[0] if options else field
