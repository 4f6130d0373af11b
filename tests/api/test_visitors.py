"""Unknown faces of a gallery get an id, are recognised again, and are deleted if they stay away."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.crypto.keyring import new_key
from app.store.db.tables import now
from app.store.db.visitor_table import VisitorRow
from tests.conftest import MakeClient, enroll, services_of, upload
from tests.store.data_folder import files_with, template_bytes

Photos = dict[str, bytes]
Json = dict[str, Any]
URL = "/collections/lobby/visitors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def workers(make_client: MakeClient, folder: Path) -> list[TestClient]:
    """Two workers on one encrypted data folder."""
    key = new_key()
    return [
        make_client(folder, encryption_keys=key, default_vocabulary="", target_fpir=0.05)
        for _ in range(2)
    ]


@pytest.fixture
def client(workers: list[TestClient]) -> TestClient:
    """The first worker, with an empty gallery `lobby` that keeps visitors for three days."""
    workers[0].delete("/collections/lobby")
    new = {"name": "lobby", "visitors": {"days": 3}}
    created = workers[0].post("/collections", json=new)
    assert (created.status_code, created.json()["visitors"]) == (201, {"days": 3})
    return workers[0]


def identify(client: TestClient, photo: bytes, collection: str = "lobby") -> Json:
    answer = client.post("/identify", files=upload(photo), data={"collection": collection})
    assert answer.status_code == 200, answer.text
    [face] = answer.json()["faces"]
    found: Json = face
    return found


def visitors(client: TestClient) -> list[Json]:
    listed: list[Json] = client.get(URL).json()["visitors"]
    return listed


def test_an_unknown_face_is_recognised_by_every_worker(
    workers: list[TestClient], client: TestClient, photos: Photos, folder: Path
) -> None:
    first = identify(client, photos["obama"])
    assert (first["decision"], first["candidates"]) == ("unknown", [])
    visitor_id = first["visitor_id"]
    assert visitor_id is not None
    assert identify(workers[1], photos["obama"])["visitor_id"] == visitor_id
    other = identify(workers[1], photos["biden"])["visitor_id"]
    assert other not in (None, visitor_id)
    assert [one["visitor_id"] for one in visitors(client)] == [visitor_id, other]

    assert client.get("/persons", params={"collection": "lobby"}).json()["persons"] == []
    assert client.get("/collections/lobby").json()["size"] == 0
    assert client.get(f"/persons/{visitor_id}").status_code == 404
    assert "lobby" in client.get("/ready").json()["collections"]
    assert files_with(folder, template_bytes(client, photos["obama"])) == []
    assert identify(client, photos["obama"], "default")["visitor_id"] is None


def test_a_visitor_becomes_a_person(
    workers: list[TestClient], client: TestClient, photos: Photos
) -> None:
    visitor_id = identify(client, photos["obama"])["visitor_id"]
    promote = f"{URL}/{visitor_id}/promote"
    answer = workers[1].post(promote, json={"name": "Barack", "external_id": "44"})
    assert answer.status_code == 201, answer.text
    person = answer.json()
    assert (person["person_id"], person["name"], person["photos"]) == (visitor_id, "Barack", 1)
    assert (person["external_id"], person["collection"]) == ("44", "lobby")
    for worker in workers:
        found = identify(worker, photos["obama"])
        assert (found["decision"], found["person"]["name"]) == ("match", "Barack")
        assert found["visitor_id"] is None
    assert visitors(client) == []
    assert client.get("/collections/lobby").json()["size"] == 1
    assert workers[1].post(promote, json={"name": "B"}).json()["code"] == "visitor_not_found"
    deleted = client.delete(f"/persons/{visitor_id}")
    receipt = client.get(f"/erasures/{deleted.headers['Sima-Erasure']}").json()
    assert receipt["templates"] == 1


def test_visitors_are_deleted(
    workers: list[TestClient], client: TestClient, photos: Photos
) -> None:
    visitor_id = identify(client, photos["obama"])["visitor_id"]
    deleted = client.delete(f"{URL}/{visitor_id}")
    receipt = client.get(f"/erasures/{deleted.headers['Sima-Erasure']}").json()
    assert (receipt["collection"], receipt["templates"]) == ("lobby", 1)
    assert client.delete(f"{URL}/{visitor_id}").json()["code"] == "visitor_not_found"
    again = identify(workers[1], photos["obama"])["visitor_id"]
    assert again != visitor_id

    services = services_of(client)
    [expires] = [one["expires_at"] for one in visitors(client)]
    assert expires > (now() + timedelta(days=2)).isoformat()
    assert services.housekeeper.run()
    assert len(visitors(client)) == 1, "the visitor has not expired"
    with services.database.write() as session:
        session.execute(update(VisitorRow).values(expires_at=now() - timedelta(seconds=1)))
    services.housekeeper.run()
    assert visitors(workers[1]) == []

    identify(client, photos["obama"])
    deleted = client.delete("/collections/lobby")
    receipt = client.get(f"/erasures/{deleted.headers['Sima-Erasure']}").json()
    assert receipt["templates"] == 1, "that of the visitor"


def test_visitors_are_an_option(client: TestClient, photos: Photos) -> None:
    for invalid in ({"days": 0}, {"days": 4000}, {}, 3):
        answer = client.patch("/collections/lobby", json={"visitors": invalid})
        assert answer.status_code == 422
    changed = client.patch("/collections/lobby", json={"visitors": None})
    assert changed.json()["visitors"] is None
    assert identify(client, photos["obama"])["visitor_id"] is None
    assert visitors(client) == []
    assert client.get("/collections/nowhere/visitors").json()["code"] == "collection_not_found"


def test_enrolled_people_are_no_visitors(client: TestClient, photos: Photos) -> None:
    enroll(client, photos["obama"], "Barack", collection="lobby")
    assert identify(client, photos["obama"])["visitor_id"] is None
    assert visitors(client) == []
