"""Asking for scores, and insisting on the kind of answer."""

from typing import Any

from fastapi.testclient import TestClient


def score(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/zero-shot/score", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(client: TestClient, **body: Any) -> tuple[int, str, str]:
    answer = client.post("/zero-shot/score", json=body)
    told = answer.json()
    return answer.status_code, told["code"], told["detail"]
