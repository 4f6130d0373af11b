"""Export, import and calibration of galleries over HTTP."""

import io
import zipfile

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient, services_of
from tests.store.galleries import add_people, made_up_people

PEOPLE = 150


@pytest.fixture(scope="module")
def crowd(make_client: MakeClient) -> TestClient:
    """A service with the gallery `crowd` of made-up people."""
    client = make_client()
    assert client.post("/collections", json={"name": "crowd"}).status_code == 201
    space = services_of(client).embedder.space
    add_people(services_of(client).database, "crowd", made_up_people(PEOPLE, 1, space.dimension))
    return client


def archive_of(client: TestClient) -> bytes:
    response = client.get("/collections/crowd/export")
    assert response.status_code == 200
    assert response.headers["Content-Disposition"] == 'attachment; filename="crowd.sima"'
    return response.content


def test_an_exported_gallery_is_imported_under_another_name(crowd: TestClient) -> None:
    content = archive_of(crowd)
    assert "manifest.json" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    created = crowd.post(
        "/collections/import", data={"name": "copy"}, files={"file": ("a.sima", content)}
    )
    assert (created.status_code, created.json()["size"]) == (201, PEOPLE)
    names = [
        {one["name"] for one in crowd.get("/persons", params=query).json()["persons"]}
        for query in ({"collection": "crowd"}, {"collection": "copy"})
    ]
    assert names[0] == names[1] != set()
    again = crowd.post(
        "/collections/import", data={"name": "copy"}, files={"file": ("a.sima", content)}
    )
    assert (again.status_code, again.json()["code"]) == (409, "collection_exists")


def test_a_changed_archive_stores_nothing(crowd: TestClient) -> None:
    content = bytearray(archive_of(crowd))
    content[len(content) // 2] ^= 1
    for body, files in (
        ({"name": "broken"}, {"file": ("a.sima", bytes(content))}),
        ({"name": "broken"}, {"file": ("a.sima", b"nothing")}),
        ({"name": "broken"}, {"other": ("a.sima", b"nothing")}),
        ({}, {"file": ("a.sima", bytes(content))}),
    ):
        refused = crowd.post("/collections/import", data=body, files=files)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    assert crowd.get("/collections/broken").status_code == 404
    missing = crowd.get("/collections/none/export")
    assert (missing.status_code, missing.json()["code"]) == (404, "collection_not_found")


def test_a_gallery_is_calibrated_on_its_own_people_and_back(crowd: TestClient) -> None:
    answer = crowd.post("/collections/crowd/calibration")
    assert answer.status_code == 200, answer.text
    measured = answer.json()
    assert measured["collection"]["decisions"]["calibration"]["source"] == "collection"
    assert measured["collection"]["decisions"]["own_calibration"]["people"] == PEOPLE
    similarities = [pair["similarity"] for pair in measured["closest"]]
    assert similarities == sorted(similarities, reverse=True) != []
    assert crowd.get("/collections/crowd").json() == measured["collection"]
    assert crowd.delete("/collections/crowd/calibration").status_code == 204
    decisions = crowd.get("/collections/crowd").json()["decisions"]
    assert decisions["calibration"]["source"] == "model"
    few = crowd.post("/collections/default/calibration")
    assert (few.status_code, few.json()["code"]) == (409, "too_few_people")
