"""Calls the API of Rekognition as its clients do, without one."""

import base64
import json
from datetime import UTC, datetime
from typing import Any, cast

from fastapi import FastAPI
from fastapi.testclient import TestClient

Json = dict[str, Any]


class Rekognition:
    """A client on the same machine as the service; without a key it sends no signature."""

    def __init__(self, service: TestClient, address: str = "127.0.0.1") -> None:
        self._client = TestClient(
            cast(FastAPI, service.app), client=(address, 50000), raise_server_exceptions=False
        )

    def send(self, operation: str, body: bytes, headers: dict[str, str]) -> tuple[int, Json]:
        """Status and answer of a request."""
        target = {"X-Amz-Target": f"RekognitionService.{operation}"}
        answer = self._client.post("/", content=body, headers={**target, **headers})
        assert answer.headers["content-type"] == "application/x-amz-json-1.1", answer.text
        found: Json = answer.json()
        return answer.status_code, found

    def call(self, operation: str, **body: Any) -> Json:
        """The answer of a call that succeeds."""
        status, found = self.send(operation, json.dumps(body).encode(), {})
        assert status == 200, found
        return found

    def fails(self, operation: str, **body: Any) -> str:
        """The name of the error of a call that fails."""
        status, found = self.send(operation, json.dumps(body).encode(), {})
        assert status == 400, found
        assert found.keys() == {"__type", "Message"}
        return str(found["__type"])


def image(photo: bytes) -> Json:
    """An image as clients send it."""
    return {"Bytes": base64.b64encode(photo).decode()}


def amz_date(moment: datetime) -> str:
    """A time in the form of X-Amz-Date."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
