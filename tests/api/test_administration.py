"""API keys, the audit log and erasure receipts over HTTP, for administrators."""

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient


def test_a_key_is_created_used_and_revoked(make_client: MakeClient) -> None:
    client = make_client()
    assert client.get("/api-keys").json() == {"api_keys": []}
    admin = client.post("/api-keys", json={"name": "me", "role": "admin"}).json()
    assert admin["key"].split("_")[1] == admin["id"]
    assert client.get("/api-keys").status_code == 401, "the first key makes the service require one"
    headers = {"X-API-Key": admin["key"]}
    new = {"name": "door", "role": "read", "collections": ["default"], "valid_days": 1}
    door = client.post("/api-keys", json=new, headers=headers).json()
    reader = {"X-API-Key": door["key"]}
    assert client.get("/persons", headers=reader).status_code == 200
    assert client.get("/api-keys", headers=reader).status_code == 403
    listed = client.get("/api-keys", headers=headers).json()["api_keys"]
    assert [one["name"] for one in listed] == ["door", "me"]
    assert [one["collections"] for one in listed] == [["default"], None]
    assert all("key" not in one for one in listed)
    assert listed[0]["expires_at"] is not None
    revoked = client.delete(f"/api-keys/{door['id']}", headers=headers)
    assert revoked.status_code == 204
    assert client.get("/persons", headers=reader).status_code == 401
    assert client.get("/api-keys", headers=headers).json()["api_keys"][0]["state"] == "revoked"
    unknown = client.delete("/api-keys/none", headers=headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "api_key_not_found")


@pytest.mark.parametrize(
    "new",
    [
        {"name": "", "role": "read"},
        {"name": "a", "role": "owner"},
        {"name": "a", "role": "read", "collections": ["not a name"]},
        {"name": "a", "role": "read", "collections": []},
        {"name": "a", "role": "read", "valid_days": 0},
        {"name": "a\u0007", "role": "read"},
    ],
)
def test_invalid_keys_are_refused(client: TestClient, new: dict[str, object]) -> None:
    refused = client.post("/api-keys", json=new)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    assert client.get("/api-keys").json() == {"api_keys": []}


def test_the_audit_log_is_read_page_by_page(client: TestClient) -> None:
    for number in range(3):
        assert client.post("/collections", json={"name": f"c{number}"}).status_code == 201
    query: dict[str, str | int] = {"action": "collection.create", "limit": 2}
    page = client.get("/audit", params=query).json()
    assert page["enabled"] is True
    assert [event["collection"] for event in page["events"]] == ["c2", "c1"]
    rest = client.get("/audit", params={**query, "before": page["next_before"]}).json()
    assert [event["collection"] for event in rest["events"]] == ["c0"]
    assert rest["next_before"] is None
    latest = client.get("/audit", params={"collection": "c1"}).json()["events"]
    assert [event["action"] for event in latest] == ["collection.create"]
    assert client.get("/audit").json()["events"][0]["action"] == "audit.read"
    assert client.get("/audit", params={"limit": 501}).status_code == 422


def test_receipts_are_listed_newest_first(client: TestClient) -> None:
    receipts = []
    for name in ("first", "second"):
        client.post("/collections", json={"name": name})
        receipts.append(client.delete(f"/collections/{name}").headers["Sima-Erasure"])
    listed = client.get("/erasures", params={"limit": 2}).json()["erasures"]
    assert [one["id"] for one in listed] == receipts[::-1]
    assert listed[0] == client.get(f"/erasures/{receipts[1]}").json()


def test_a_restricted_key_sees_its_own_receipts(make_client: MakeClient) -> None:
    client = make_client(api_keys={"admin-key-123456": "write"})
    admin = {"X-API-Key": "admin-key-123456"}
    for name in ("own", "other"):
        client.post("/collections", json={"name": name}, headers=admin)
        client.delete(f"/collections/{name}", headers=admin)
    new = {"name": "a", "role": "read", "collections": ["own"]}
    key = client.post("/api-keys", json=new, headers=admin).json()["key"]
    listed = client.get("/erasures", headers={"X-API-Key": key}).json()["erasures"]
    assert [one["collection"] for one in listed] == ["own"]
