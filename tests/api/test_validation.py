"""Invalid requests to every endpoint: the errors are in the service's own words."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.main import create_app
from tests.conftest import MakeClient, enroll, make_settings, upload

Photos = dict[str, bytes]
Json = dict[str, Any]

FOREIGN_PHRASES = (
    "Assertion failed",
    "char 0",
    "column 1",
    "constrained-",
    "Expecting",
    "Extra inputs",
    "Field required",
    "Input should",
    "JSON decode",
    "Keys should",
    "should be a valid",
    "should have at",
    "should match",
    "unable to parse",
    "unexpected character",
    "Value error",
)
LONG = "A" * 300_000
BODIES = (
    b"",
    b"{",
    b"nope",
    b"7",
    b"null",
    b"[]",
    b"{}",
    b'{"surprise": 1}',
    b"[" * 100_000,
    b"\xff",
)
JSON_VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "a\0b",
    LONG,
    [],
    [[1]],
    {},
    {"x": 1},
)
NESTED = "[" * 60_000
QUERY_VALUES = ("", "-1", "1.5", "nan", "[", "{", "a\0b", LONG[:3_000])

DOCUMENT: Json = create_app(make_settings(Path("unused"))).openapi()
OPERATIONS = [
    pytest.param(method, path, operation, id=f"{method} {path}")
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if {"parameters", "requestBody"} & set(operation)
]


def resolve(schema: Json) -> Json:
    """The schema that a reference names, or the schema itself."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["schemas"][name] if name else schema


def invalid_requests(operation: Json) -> Iterator[Json]:
    """The arguments of requests, most of which violate the contract of the operation."""
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            yield from ({"params": {parameter["name"]: value}} for value in QUERY_VALUES)
        if parameter["in"] == "header":
            yield {"headers": {parameter["name"]: "k" * 201}}
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        headers = {"Content-Type": "application/json"}
        yield from ({"content": body, "headers": headers} for body in BODIES)
        fields = resolve(content["application/json"]["schema"]).get("properties", {})
        for name in fields:
            yield from ({"json": {name: value}} for value in JSON_VALUES)
    if "multipart/form-data" in content:
        yield {"files": {"surprise": b"x"}}
        yield {"data": {"surprise": "x"}, "files": {"image": b"x"}}
        yield {"content": b"--", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}
        fields = resolve(content["multipart/form-data"]["schema"]).get("properties", {})
        for name in fields:
            yield from (
                {"data": {name: value}, "files": {"image": b"x"}}
                for value in (*QUERY_VALUES, NESTED)
            )


def require_own_words(response: Response) -> None:
    """No internal error, and no text of pydantic or of a JSON parser."""
    assert response.status_code < 500, response.text[:500]
    if response.status_code < 400:
        return
    for phrase in FOREIGN_PHRASES:
        assert phrase not in response.text, response.text[:2_000]
    problem = response.json()
    assert len(problem["detail"]) < 2_000
    for error in problem.get("errors", []):
        assert len(error["message"]) < 300
        assert error["where"]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_invalid_requests_are_answered_in_own_words(
    client: TestClient, method: str, path: str, operation: Json
) -> None:
    invalid = 0
    for arguments in invalid_requests(operation):
        response = client.request(method, path, **arguments)
        require_own_words(response)
        invalid += response.status_code == 422
    assert invalid or "requestBody" not in operation


@pytest.mark.parametrize(
    ("method", "path", "body", "where", "message"),
    [
        ("POST", "/collections", {}, "body.name", "a value is required"),
        (
            "POST",
            "/collections",
            {"name": "a b"},
            "body.name",
            "a string of 3 characters is not allowed; use 1 to 100 characters out of A-Z, a-z, "
            "0-9, '.', '_' and '-', starting with a letter or a digit",
        ),
        (
            "POST",
            "/collections",
            {"name": "a", "kind": "album"},
            "body.kind",
            "\"album\" is not allowed; use 'gallery' or 'vocabulary'",
        ),
        (
            "POST",
            "/collections",
            {"name": "a", "size": 3},
            "body.size",
            "the field is unknown; remove it or correct its name",
        ),
        (
            "PATCH",
            "/persons/p",
            {"name": None},
            "body",
            "name cannot be null; send a string, or omit the field",
        ),
        (
            "PATCH",
            "/persons/p",
            {"metadata": "{}"},
            "body.metadata",
            "a string of 2 characters is not allowed; use an object",
        ),
        (
            "POST",
            "/words/odd-one-out",
            {"words": ["a"]},
            "body.words",
            "an array of 1 item is not allowed; use at least 3 items",
        ),
        (
            "POST",
            "/words/nearest",
            {"positive": ["a"], "k": 0},
            "body.k",
            "0 is not allowed; use a number of at least 1",
        ),
        (
            "GET",
            "/persons?limit=lots",
            None,
            "query.limit",
            '"lots" is not allowed; use a whole number',
        ),
        (
            "GET",
            "/persons?cursor=x",
            None,
            "cursor",
            "the cursor is invalid; use next_cursor of the previous page",
        ),
    ],
)
def test_the_error_names_field_value_and_rule(
    client: TestClient, method: str, path: str, body: Json | None, where: str, message: str
) -> None:
    response = client.request(method, path, json=body)
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    [error] = response.json()["errors"]
    assert error == {"where": where, "message": message}


def test_errors_contain_neither_images_nor_keys(make_client: MakeClient, photos: Photos) -> None:
    client = make_client(api_keys={"sk-very-secret": "write"})
    text = base64.b64encode(photos["obama"]).decode()
    key = {"X-API-Key": "sk-very-secret"}
    for path, body in (
        ("/detect", {"image": text, "faces": text}),
        ("/embed", {"image": text, "faces": text}),
        ("/embed", {"image": text, text[:50]: text}),
        ("/enroll", {"image": text, "name": text}),
        ("/enroll/batch", {"items": [{"image": text, "face": text}]}),
        ("/detect", {"image": text + "!"}),
    ):
        response = client.post(path, json=body, headers=key)
        assert 400 <= response.status_code < 500
        assert text[100:140] not in response.text
        assert "sk-very-secret" not in response.text
    wrong = client.get("/persons", headers={"X-API-Key": "sk-wrong-key"})
    assert "sk-wrong-key" not in wrong.text


@pytest.mark.parametrize(
    "metadata",
    ['{"a": "\\ud800"}', '{"a": NaN}', '{"a": ' + "[" * 300 + "]" * 300 + "}"],
    ids=["lone surrogate", "NaN", "nested"],
)
def test_metadata_that_no_response_can_repeat_is_refused(
    client: TestClient, photos: Photos, metadata: str
) -> None:
    client.delete("/collections/default")
    person = enroll(client, photos["astronaut"], "Eileen")
    refused = client.patch(
        f"/persons/{person['person_id']}",
        content=f'{{"metadata": {metadata}}}',
        headers={"Content-Type": "application/json"},
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    fields = {"name": "Barack", "metadata": metadata}
    refused = client.post("/enroll", files=upload(photos["obama"]), data=fields)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    assert client.get("/persons").json()["persons"][0]["metadata"] == {}


def test_deeply_nested_json_text_is_refused(client: TestClient, photos: Photos) -> None:
    fields = {"name": "Eileen", "metadata": "[" * 60_000}
    refused = client.post("/enroll", files=upload(photos["astronaut"]), data=fields)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    assert json.loads(refused.text)["errors"][0]["where"] == "metadata"
