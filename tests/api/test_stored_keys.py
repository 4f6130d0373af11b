"""API keys of the store, over HTTP."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.store.api_keys import revoke_key
from tests.api.api_keys import Headers, id_of, new_key
from tests.conftest import MakeClient, services_of


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, make_client: MakeClient, tmp_path: Path) -> TestClient:
    """A running application on each database."""
    if request.param == "sqlite":
        return make_client(tmp_path)
    return make_client(tmp_path, database_url=request.getfixturevalue("postgres"))


def status(client: TestClient, headers: Headers) -> int:
    return client.get("/collections", headers=headers).status_code


def revoke(client: TestClient, headers: Headers) -> None:
    with services_of(client).database.write() as session:
        revoke_key(session, id_of(headers))


def test_the_first_key_closes_a_running_service(service: TestClient) -> None:
    key = new_key(service)
    assert status(service, key) == 200
    assert status(service, {"Authorization": f"Bearer {key['X-API-Key']}"}) == 200
    refused = service.get("/collections")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    revoke(service, key)
    refused = service.get("/collections", headers=key)
    assert refused.status_code == 401
    assert "revoked" in refused.json()["detail"]
    assert status(service, {}) == 401, "a service whose keys are revoked is not open"


def test_a_revocation_holds_at_once_in_every_process(
    make_client: MakeClient, tmp_path: Path
) -> None:
    one, other = make_client(tmp_path), make_client(tmp_path)
    key, kept = new_key(one), new_key(one)
    for client in (one, other):
        assert status(client, key) == 200
    revoke(one, key)
    for client in (other, one):
        assert status(client, key) == 401
        assert status(client, kept) == 200


def test_expired_and_altered_keys_are_refused(make_client: MakeClient) -> None:
    client = make_client()
    expired = client.get("/collections", headers=new_key(client, lifetime=timedelta(0)))
    assert expired.status_code == 401
    assert "expired" in expired.json()["detail"]
    good = new_key(client, lifetime=timedelta(minutes=5))
    assert status(client, good) == 200
    text = good["X-API-Key"]
    other = new_key(client)["X-API-Key"]
    swapped = f"sima_{id_of(good)}_{other.split('_', 2)[2]}"
    for wrong in (text[:-1], text + "a", text[:-1] + "!", text.upper(), swapped, "sima__"):
        refused = client.get("/collections", headers={"X-API-Key": wrong})
        assert refused.status_code == 401
        assert wrong not in refused.text
        assert "expired" not in refused.text


def test_keys_of_the_setting_remain_valid_beside_those_of_the_store(
    make_client: MakeClient,
) -> None:
    client = make_client(api_keys={"bootstrap-key-1": "write"})
    assert status(client, new_key(client)) == 200
    assert status(client, {"X-API-Key": "bootstrap-key-1"}) == 200
    assert status(client, {}) == 401


def test_a_service_with_a_key_accepts_any_host(make_client: MakeClient) -> None:
    client = make_client()
    host = {"Host": "sima.example"}
    refused = client.get("/collections", headers=host)
    assert refused.status_code == 403
    assert "sima api-keys create" in refused.json()["detail"]
    key = new_key(client)
    time.sleep(0.6)  # a service without keys looks for the first one twice a second
    assert status(client, {**key, **host}) == 200
    assert status(client, {}) == 401


def test_the_rate_limit_counts_by_key(make_client: MakeClient) -> None:
    client = make_client(rate_limit="2/minute")
    one, other = new_key(client), new_key(client)
    assert [status(client, one) for _ in range(3)] == [200, 200, 429]
    assert status(client, other) == 200
