"""Requests to `POST /zero-shot/score` that expect success or an error."""

from typing import Any

from fastapi.testclient import TestClient


def score(client: TestClient, **body: Any) -> dict[str, Any]:
    """The response to a request that must succeed."""
    answer = client.post("/zero-shot/score", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(client: TestClient, **body: Any) -> tuple[int, str, str]:
    """Status, code and detail of the response to a request that must fail."""
    answer = client.post("/zero-shot/score", json=body)
    problem = answer.json()
    return answer.status_code, problem["code"], problem["detail"]
