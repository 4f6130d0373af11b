"""Web pages of other origins cannot use a service on the same machine."""

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient, upload

Photos = dict[str, bytes]

PAGE = "https://page.example"


def status(client: TestClient, method: str = "DELETE", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request(method, "/persons/nobody", headers=named).status_code


def test_a_page_of_another_origin_cannot_enroll(client: TestClient, photos: Photos) -> None:
    refused = client.post(
        "/enroll", files=upload(photos["obama"]), data={"name": "B"}, headers={"Origin": PAGE}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "SIMA_CORS_ORIGINS" in refused.json()["detail"]
    assert client.get("/persons").json()["persons"] == []


@pytest.mark.parametrize(
    "origin", ["null", "http://testserver:81", "http://testserver.example", "http://[::1"]
)
def test_only_the_same_origin_has_an_effect(client: TestClient, origin: str) -> None:
    assert status(client, Origin=origin) == 403
    assert status(client, Origin="http://testserver") == 404
    assert status(client) == 404
    assert status(client, "GET", Origin=origin) == 404


@pytest.mark.parametrize(
    "host", ["page.example", "page.example:8000", "", "127.0.0.1.example", "[::1"]
)
def test_a_page_whose_name_resolves_to_this_machine_is_refused(
    client: TestClient, host: str
) -> None:
    assert status(client, "GET", Host=host) == 403
    for known in ("localhost:8000", "127.0.0.1", "[::1]:8000", "testserver"):
        assert status(client, "GET", Host=known) == 404


def test_with_keys_any_host_is_accepted(make_client: MakeClient) -> None:
    client = make_client(api_keys={"reader-key-12345": "read"})
    headers = {"X-API-Key": "reader-key-12345", "Host": "sima.example"}
    assert client.get("/persons", headers=headers).status_code == 200


def test_a_listed_origin_may_use_the_service(make_client: MakeClient) -> None:
    client = make_client(cors_origins=(PAGE,))
    assert status(client, Origin=PAGE) == 404
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "DELETE"}
    preflight = client.options("/persons/nobody", headers=asked)
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    answered = client.get("/health", headers={"Origin": PAGE})
    assert answered.headers["Access-Control-Allow-Origin"] == PAGE
    other = client.get("/health", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
