"""A template is moved to another person, and two people are merged."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.crypto.keyring import new_key
from tests.conftest import MakeClient, enroll, upload

Photos = dict[str, bytes]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def workers(make_client: MakeClient, tmp_path_factory: pytest.TempPathFactory) -> list[TestClient]:
    """Two workers on one encrypted data folder, which store photos."""
    folder: Path = tmp_path_factory.mktemp("data")
    key = new_key()
    return [make_client(folder, encryption_keys=key, store_photos=True) for _ in range(2)]


@pytest.fixture
def gallery(workers: list[TestClient]) -> TestClient:
    """The first worker, with an empty default gallery."""
    workers[0].delete("/collections/default")
    return workers[0]


def add(client: TestClient, photo: bytes, person: Json) -> Json:
    """Adds a photo to a person, whom it need not match."""
    fields = {"person_id": person["person_id"], "on_mismatch": "allow", "on_duplicate": "allow"}
    answer = client.post("/enroll", files=upload(photo), data=fields)
    assert answer.status_code == 201, answer.text
    added: Json = answer.json()
    return added


def nearest(client: TestClient, template_id: object) -> str:
    """The name of the person who is identified by a stored template."""
    [face] = client.post("/identify", json={"template_id": template_id}).json()["faces"]
    assert face["decision"] == "match"
    return str(face["person"]["name"])


def photos_of(client: TestClient, person_id: object) -> list[Json]:
    listed: list[Json] = client.get(f"/persons/{person_id}/photos").json()["photos"]
    return listed


def test_a_template_is_moved_to_a_new_person_with_its_photo(
    workers: list[TestClient], gallery: TestClient, photos: Photos
) -> None:
    barack = enroll(gallery, photos["obama"], "Barack")
    wrong = add(gallery, photos["biden"], barack)["template_id"]
    assert nearest(workers[1], wrong) == "Barack"
    before = photos_of(gallery, barack["person_id"])[1]

    url = f"/persons/{barack['person_id']}/photos/{wrong}"
    answer = gallery.patch(url, json={"name": "Joe", "metadata": {"a": 1}})
    assert answer.status_code == 200, answer.text
    joe = answer.json()["person"]
    assert (joe["name"], joe["photos"], joe["metadata"]) == ("Joe", 1, {"a": 1})
    assert nearest(workers[1], wrong) == "Joe"
    assert photos_of(workers[1], joe["person_id"]) == [before], "the detection follows"
    image = f"/persons/{joe['person_id']}/photos/{wrong}/image"
    assert workers[1].get(image).content == photos["biden"]
    assert gallery.get(f"{url}/image").json()["code"] == "photo_not_found"
    assert gallery.patch(url, json={"name": "Joe"}).json()["code"] == "photo_not_found"

    deleted = gallery.delete(f"/persons/{joe['person_id']}")
    receipt = gallery.get(f"/erasures/{deleted.headers['Sima-Erasure']}").json()
    assert (receipt["templates"], receipt["photos"]) == (1, 1)
    assert len(photos_of(workers[1], barack["person_id"])) == 1


def test_a_template_moves_to_a_person_whom_it_matches(gallery: TestClient, photos: Photos) -> None:
    barack = enroll(gallery, photos["obama"], "Barack")
    joe = enroll(gallery, photos["biden"], "Joe")
    url = f"/persons/{barack['person_id']}/photos/{barack['template_id']}"
    refused = gallery.patch(url, json={"person_id": joe["person_id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "different_person")
    assert refused.json()["person"]["person_id"] == joe["person_id"]
    allowed = {"person_id": joe["person_id"], "on_mismatch": "allow"}
    assert gallery.patch(url, json=allowed).json()["person"]["photos"] == 2
    assert photos_of(gallery, barack["person_id"]) == []

    back = f"/persons/{joe['person_id']}/photos/{barack['template_id']}"
    undone = gallery.patch(back, json={"person_id": barack["person_id"]})
    assert undone.json()["person"]["person_id"] == barack["person_id"]
    assert nearest(gallery, barack["template_id"]) == "Barack"


def test_a_template_moves_within_its_collection(gallery: TestClient, photos: Photos) -> None:
    barack = enroll(gallery, photos["obama"], "Barack")
    gallery.post("/collections", json={"name": "other"})
    other = enroll(gallery, photos["obama"], "Barack", collection="other")
    url = f"/persons/{barack['person_id']}"
    photo = f"{url}/photos/{barack['template_id']}"
    for method, path, body, code in (
        ("PATCH", photo, {"person_id": other["person_id"]}, "person_not_found"),
        ("PATCH", photo, {"person_id": "a", "name": "b"}, "validation_error"),
        ("PATCH", photo, {"person_id": "a", "external_id": "b"}, "validation_error"),
        ("PATCH", photo, {}, "validation_error"),
        ("POST", f"{url}/merge", {"into": other["person_id"]}, "person_not_found"),
        ("POST", f"{url}/merge", {"into": barack["person_id"]}, "validation_error"),
        ("POST", "/persons/nobody/merge", {"into": barack["person_id"]}, "person_not_found"),
    ):
        answer = gallery.request(method, path, json=body)
        assert answer.json()["code"] == code, answer.text
    assert len(photos_of(gallery, barack["person_id"])) == 1


def test_merged_people_are_one_person(
    workers: list[TestClient], gallery: TestClient, photos: Photos
) -> None:
    double = enroll(gallery, photos["obama"], "B. Obama", external_id="1")
    barack = enroll(gallery, photos["obama2"], "Barack", external_id="2", on_duplicate="allow")
    joe = enroll(gallery, photos["biden"], "Joe")
    url = f"/persons/{double['person_id']}/merge"
    refused = gallery.post(url, json={"into": joe["person_id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "different_person")

    answer = gallery.post(url, json={"into": barack["person_id"]})
    assert answer.status_code == 200, answer.text
    merged = answer.json()
    assert (merged["name"], merged["external_id"], merged["photos"]) == ("Barack", "2", 2)
    assert merged["moved"] == [double["template_id"]]
    assert gallery.get(f"/erasures/{answer.headers['Sima-Erasure']}").json()["templates"] == 0
    assert workers[1].get(f"/persons/{double['person_id']}").status_code == 404
    assert nearest(workers[1], double["template_id"]) == "Barack"
    assert workers[1].get("/collections/default").json()["size"] == 2

    photo = f"/persons/{barack['person_id']}/photos/{double['template_id']}"
    again = gallery.patch(photo, json={"name": "B. Obama", "external_id": "1"}).json()["person"]
    assert (again["name"], again["photos"], again["external_id"]) == ("B. Obama", 1, "1")
    assert gallery.get(f"/persons/{barack['person_id']}").json()["photos"] == 1
    deleted = gallery.delete(f"/persons/{again['person_id']}")
    receipt = gallery.get(f"/erasures/{deleted.headers['Sima-Erasure']}").json()
    assert (receipt["templates"], receipt["photos"]) == (1, 1)
