"""Calls the API of CompreFace as its clients do, without one."""

from typing import Any

from fastapi.testclient import TestClient

from tests.conftest import upload

Photos = dict[str, bytes]
Json = dict[str, Any]

API = "/api/v1"
RECOGNITION = f"{API}/recognition"
SUBJECTS, FACES = f"{RECOGNITION}/subjects", f"{RECOGNITION}/faces"
UNKNOWN = "0d1f2c8e-53b7-4f0e-9c0d-6c1f5a3d7b1e"
"""The id of no example."""


def has_message(value: object) -> bool:
    """Whether an answer has a field `message` anywhere; clients take that for an error."""
    if isinstance(value, dict):
        return "message" in value or any(has_message(one) for one in value.values())
    return isinstance(value, list) and any(has_message(one) for one in value)


def send(client: TestClient, method: str, path: str, status: int = 200, **more: Any) -> Any:
    """The JSON answer to a request that succeeds."""
    answer = client.request(method, path, **more)
    assert answer.status_code == status, answer.text
    assert not has_message(answer.json())
    return answer.json()


def refused(client: TestClient, method: str, path: str, **more: Any) -> tuple[int, int]:
    """Status and code of an error, which has no other fields than CompreFace's."""
    answer = client.request(method, path, **more)
    body = answer.json()
    assert body.keys() == {"message", "code"}, answer.text
    assert body["message"]
    return answer.status_code, body["code"]


def add(client: TestClient, subject: str, photo: bytes, **more: Any) -> str:
    """Adds an example; returns its id."""
    path = f"{FACES}?subject={subject}"
    added = send(client, "POST", path, 201, files=upload(photo, "file"), **more)
    assert added["subject"] == subject
    return str(added["image_id"])


def recognize(client: TestClient, photo: bytes, query: str = "", **more: Any) -> list[Json]:
    """The faces of a recognition."""
    path = f"{RECOGNITION}/recognize{query}"
    answer: Json = send(client, "POST", path, files=upload(photo, "file"), **more)
    return list(answer["result"])
