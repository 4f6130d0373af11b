"""Reads images and fields from a request: multipart, JSON with base64, or the raw body."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.api.json_bodies import read_json
from app.errors import InvalidImage, InvalidRequest, UnsupportedMediaType

Fields = TypeVar("Fields", bound=BaseModel)

RAW_TYPES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/avif",
    "image/heic",
    "application/octet-stream",
)
IMAGE = ("image",)
"""The image field of a request that takes one image."""

_MAX_FIELDS = 20
_MAX_FIELD_BYTES = 64_000


class InMemoryParser(MultiPartParser):
    """Keeps uploads in memory, so that no image is written to disk.

    The middleware limits the size of the request.
    """

    spool_max_size = 2**31


@dataclass(slots=True)
class _Parts:
    fields: dict[str, Any] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)

    def add_field(self, name: str, value: object) -> None:
        if name in self.fields:
            raise InvalidRequest(name, "the field was sent twice; send it once")
        self.fields[name] = value

    def add_image(self, name: str, image: bytes) -> None:
        if name in self.images:
            raise InvalidRequest(name, "the image was sent twice; send it once")
        self.images[name] = image


async def read_image(request: Request, schema: type[Fields]) -> tuple[Fields, bytes]:
    """The validated fields and the image of a request that takes one. Raises like `read_images`."""
    fields, images = await read_images(request, schema, IMAGE)
    return fields, require_image(images, "image")


async def read_images(
    request: Request, schema: type[Fields], names: tuple[str, ...]
) -> tuple[Fields, dict[str, bytes]]:
    """The validated fields, and the images by field name; `names` are the allowed image fields.

    Query parameters are fields, too. Raises UnsupportedMediaType, InvalidImage, InvalidRequest,
    BodyTooLarge or pydantic's ValidationError.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        parts = await _read_multipart(request, names)
    elif media_type == "application/json":
        parts = await _read_json(request, names)
    elif media_type in RAW_TYPES:
        parts = _Parts(images={names[0]: await request.body()})
    else:
        raise UnsupportedMediaType(
            "the content type is not supported; send multipart/form-data, application/json, or "
            f"one image as the raw body ({', '.join(RAW_TYPES)})"
        )
    for name, value in request.query_params.multi_items():
        parts.add_field(name, value)
    return schema.model_validate(parts.fields), parts.images


def require_image(images: dict[str, bytes], name: str) -> bytes:
    """The image of that field. Raises InvalidRequest if it was not sent."""
    if name not in images:
        raise InvalidRequest(name, "an image is required; send an image file, such as a JPEG")
    return images[name]


def decode_base64(text: str, name: str) -> bytes:
    """The bytes of a base64 string or a `data:` URL. Raises InvalidImage, naming the field."""
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise InvalidImage(f"{name} is a data: URL without base64; send data:TYPE;base64,DATA")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(f"{name} is not valid base64; encode the image file") from error


async def _read_multipart(request: Request, names: tuple[str, ...]) -> _Parts:
    parser = InMemoryParser(
        request.headers,
        request.stream(),
        max_files=len(names),
        max_fields=_MAX_FIELDS,
        max_part_size=_MAX_FIELD_BYTES,
    )
    parts = _Parts()
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, AssertionError) as error:
        raise InvalidRequest(
            "body",
            f"the multipart body is malformed or too large; send at most {len(names)} files and "
            f"{_MAX_FIELDS} fields of {_MAX_FIELD_BYTES} bytes",
        ) from error
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile) and name in names:
                parts.add_image(name, await value.read())
            elif isinstance(value, UploadFile):
                raise InvalidRequest(
                    name, f"a file is not allowed here; send files as {' or '.join(names)}"
                )
            elif name in names:
                parts.add_image(name, decode_base64(value, name))
            else:
                parts.add_field(name, value)
    finally:
        await form.close()
    return parts


async def _read_json(request: Request, names: tuple[str, ...]) -> _Parts:
    try:
        return await read_json(request, lambda body: _json_parts(orjson.loads(body), names))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("body", "the body is not valid JSON; send a JSON object") from error


def _json_parts(content: object, names: tuple[str, ...]) -> _Parts:
    if not isinstance(content, dict):
        raise InvalidRequest("body", "the body is not a JSON object; send a JSON object")
    parts = _Parts()
    for name, value in content.items():
        if name not in names:
            parts.add_field(name, value)
        elif isinstance(value, str):
            parts.add_image(name, decode_base64(value, name))
        elif value is not None:
            raise InvalidRequest(name, "the image is not a string; send it as base64")
    return parts


def one_image_body(schema: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a request that `read_image` reads."""
    return image_body(schema, IMAGE, IMAGE)


def image_body(
    schema: type[BaseModel], names: tuple[str, ...], required: tuple[str, ...], raw: bool = True
) -> dict[str, Any]:
    """The OpenAPI description of a request that `read_images` reads.

    `required` are the image fields that must be sent; `raw` tells whether the body may be an image.
    """
    fields = schema.model_json_schema(ref_template="#/components/schemas/{model}")
    properties, required_fields = fields.get("properties", {}), fields.get("required", [])

    def body_schema(image: dict[str, Any]) -> dict[str, Any]:
        needed = [*required, *required_fields]
        return {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {**dict.fromkeys(names, image), **properties},
                **({"required": needed} if needed else {}),
            }
        }

    content: dict[str, Any] = {
        "multipart/form-data": body_schema({"type": "string", "format": "binary"}),
        "application/json": body_schema({"type": "string", "contentEncoding": "base64"}),
    }
    if raw:
        for media_type in RAW_TYPES:
            content[media_type] = {"schema": {"type": "string", "format": "binary"}}
    parameters = [
        _query_parameter(name, schema_of_field) for name, schema_of_field in properties.items()
    ]
    return {"parameters": parameters, "requestBody": {"required": True, "content": content}}


def _query_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A field as a query parameter: objects and arrays are JSON text, null does not exist.

    Only the description states a default: generated clients send the defaults of their schemas, and
    a field must not be sent both in the query and in the body.
    """
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    value = dict(options[0] if options else schema)
    default = value.pop("default", None)
    examples = list(schema.get("examples", []))
    if value.get("type") in ("object", "array"):
        value, default = {"type": "string", "contentMediaType": "application/json"}, None
        examples = [json.dumps(example) for example in examples]
    parameter = {"name": name, "in": "query", "required": False, "schema": value}
    described = schema.get("description")
    if described is not None:
        stated = "" if default is None else f" Default: {json.dumps(default)}."
        parameter["description"] = described + stated
        value.pop("description", None)
    return parameter | ({"example": examples[0]} if examples else {})
