"""Errors of the router as problems, and the error codes in the OpenAPI document."""

import json

import pytest
from fastapi.testclient import TestClient

from app.api.problems import STATUS


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nothing", 404, "not_found"), ("PUT", "/persons", 405, "method_not_allowed")],
)
def test_errors_of_the_router_are_problems(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_long_detail_is_shortened(client: TestClient) -> None:
    answer = client.get(f"/collections/{'x' * 5_000}")
    assert answer.json()["code"] == "collection_not_found"
    assert len(answer.json()["detail"]) == 1_000


def test_the_document_names_every_error_code(client: TestClient) -> None:
    document = json.dumps(client.get("/openapi.json").json()["paths"])
    for code in STATUS:
        assert code in document or code == "internal_error"


def test_the_document_shows_errors_with_members_of_their_own(client: TestClient) -> None:
    responses = client.get("/openapi.json").json()["paths"]["/enroll"]["post"]["responses"]
    examples = responses["409"]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"already_enrolled", "different_person", "external_id_taken"}
    shown = examples["different_person"]["value"]
    assert shown["status"] == 409
    assert shown["similarity"] < shown["threshold"]
    assert examples["external_id_taken"]["value"]["person_id"]
