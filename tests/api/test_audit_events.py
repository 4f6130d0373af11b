"""The audit log: recorded decisions, what remains of a deleted person, the chain of all workers."""

from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.api.test_audit import Photos, recorded
from tests.conftest import MakeClient, enroll, services_of, upload


def test_every_decision_about_a_face_is_recorded(make_client: MakeClient, photos: Photos) -> None:
    client = make_client(default_vocabulary="")
    person = enroll(client, photos["astronaut"], "Eileen")["person_id"]
    astronaut, coffee = upload(photos["astronaut"]), upload(photos["coffee"])
    client.post("/enroll", files=astronaut, data={"name": "Somebody else"})
    client.post("/enroll", files=upload(photos["obama"]), data={"person_id": person})
    client.post("/enroll", files=upload(photos["obama"]), data={"name": "B", "dry_run": "true"})
    client.post("/identify", files=upload(photos["pair"]))
    client.post("/identify", files=coffee)
    client.post("/verify", files=upload(photos["obama"]), data={"person_id": person})
    two = upload(photos["obama"], "image_a") | upload(photos["obama"], "image_b")
    client.post("/verify", files=two)
    client.post("/embed", files=coffee)
    found = [(e["action"], e["decision"], e["person_id"]) for e in recorded(client)]
    assert found == [
        ("enroll", "enrolled", person),
        ("enroll", "already_enrolled", person),
        ("enroll", "different_person", person),
        ("enroll", "dry_run", None),
        ("identify", "unknown", None),
        ("identify", "unknown", None),
        ("identify", "no_face", None),
        ("verify", "no_match", person),
        ("verify", "match", None),
        ("embed", "no_face", None),
    ]
    assert {e["key_id"] for e in recorded(client)} == {None}


def test_an_erased_person_leaves_an_opaque_id_only(make_client: MakeClient, photos: Photos) -> None:
    client = make_client(default_vocabulary="")
    person = str(enroll(client, photos["astronaut"], "Eileen", external_id="E-1")["person_id"])
    assert client.delete(f"/persons/{person}").status_code == 204
    with services_of(client).database.read() as session:
        rows = [list(row) for row in session.execute(text("SELECT * FROM audit_log"))]
    assert len(rows) == 2
    assert all(person in row for row in rows)
    assert "Eileen" not in str(rows)
    assert "E-1" not in str(rows)


def test_a_refused_request_with_effect_is_not_recorded(client: TestClient) -> None:
    before = len(recorded(client))
    assert client.delete("/persons/nobody").status_code == 404
    assert client.patch("/collections/none", json={"target_fmr": 0.1}).status_code == 404
    assert client.get("/persons/nobody/photos/none/image").status_code == 404
    assert len(recorded(client)) == before


def test_nothing_is_recorded_where_the_audit_log_is_off(
    make_client: MakeClient, photos: Photos
) -> None:
    client = make_client(audit=False, default_vocabulary="")
    enroll(client, photos["astronaut"], "Eileen")
    client.post("/identify", files=upload(photos["astronaut"]))
    assert recorded(client) == []


def test_workers_write_one_chain(make_client: MakeClient, tmp_path: Path, photos: Photos) -> None:
    workers = [make_client(tmp_path, default_vocabulary="") for _ in range(2)]
    enroll(workers[0], photos["astronaut"], "Eileen")
    for number in range(6):
        worker = workers[number % 2]
        assert worker.post("/collections", json={"name": f"c{number}"}).status_code == 201
    found = [e["collection"] for e in recorded(workers[1])]
    assert found == ["default", *(f"c{number}" for number in range(6))]
