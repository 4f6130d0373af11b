"""A face that is not a person is not matched with that person again."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.vectors import Vector, l2_normalize
from tests.conftest import MakeClient, enroll, upload

Photos = dict[str, bytes]
Json = dict[str, Any]
UNKNOWN: tuple[str, list[str]] = ("unknown", [])


@pytest.fixture(scope="module")
def client(make_client: MakeClient) -> TestClient:
    """A service with one target rate, so that similar faces match."""
    return make_client(default_vocabulary="", threshold=0.5)


@pytest.fixture(scope="module")
def barack(client: TestClient, photos: Photos) -> Json:
    """A person whose templates no test changes."""
    return enroll(client, photos["obama"], "Barack")


@pytest.fixture(scope="module")
def face(client: TestClient, photos: Photos) -> Vector:
    """The embedding of Barack's template."""
    [found] = client.post("/embed", files=upload(photos["obama"])).json()["faces"]
    return np.array(found["embedding"])


def similar(face: Vector, seed: int, cosine: float) -> list[float]:
    """A unit vector with about this cosine to the face."""
    other = l2_normalize(np.random.default_rng(seed).normal(size=len(face)))
    mixed: list[float] = l2_normalize(cosine * face + (1 - cosine**2) ** 0.5 * other).tolist()
    return mixed


def identified(client: TestClient, embedding: list[float]) -> tuple[str, list[str]]:
    [found] = client.post("/identify", json={"embedding": embedding}).json()["faces"]
    return found["decision"], [one["name"] for one in found["candidates"]]


def verified(client: TestClient, embedding: list[float], person: Json) -> Json:
    body = {"embedding": embedding, "person_id": person["person_id"]}
    found: Json = client.post("/verify", json=body).json()
    assert found["verified"] == (found["similarity"] >= found["threshold"])
    return found


def reject(client: TestClient, person: Json, **sample: object) -> Json:
    answer = client.post(f"/persons/{person['person_id']}/not-this", json=sample)
    assert answer.status_code == 201, answer.text
    rejection: Json = answer.json()
    return rejection


def test_a_rejected_face_and_later_photos_of_it_do_not_match(
    client: TestClient, barack: Json, face: Vector
) -> None:
    stranger = similar(face, 1, 0.8)
    later = similar(np.array(stranger), 2, 0.9)
    genuine = similar(face, 3, 0.8)
    for probe in (stranger, later, genuine):
        assert identified(client, probe) == ("match", ["Barack"])
        assert verified(client, probe, barack)["verified"]

    rejection = reject(client, barack, embedding=stranger)
    assert (rejection["template_id"], rejection["face"]) == (None, None)
    for probe in (stranger, later):
        assert identified(client, probe) == UNKNOWN
        assert not verified(client, probe, barack)["verified"]
    assert identified(client, genuine) == ("match", ["Barack"])
    assert verified(client, genuine, barack)["verified"]

    url = f"/persons/{barack['person_id']}/not-this"
    [listed] = client.get(url).json()["rejections"]
    assert listed["rejection_id"] == rejection["rejection_id"]
    assert client.delete(f"{url}/{listed['rejection_id']}").status_code == 204
    assert client.delete(f"{url}/{listed['rejection_id']}").json()["code"] == "rejection_not_found"
    assert identified(client, stranger) == ("match", ["Barack"])


def test_a_rejected_photo_is_no_duplicate_and_no_photo_of_the_person(
    make_client: MakeClient, photos: Photos
) -> None:
    client = make_client(default_vocabulary="")
    barack = enroll(client, photos["obama"], "Barack")
    url = f"/persons/{barack['person_id']}/not-this"
    photo = upload(photos["obama"])
    assert client.post("/enroll", files=photo, data={"name": "A"}).status_code == 409
    rejected = client.post(url, files=photo)
    assert rejected.json()["face"]["detection_score"] > 0.9
    fields = {"person_id": str(barack["person_id"])}
    refused = client.post("/enroll", files=photo, data=fields)
    assert refused.json()["code"] == "different_person"
    lookalike = enroll(client, photos["obama"], "A")
    assert lookalike["possible_duplicate"] is None
    deleted = client.delete(f"/persons/{barack['person_id']}")
    assert deleted.status_code == 204
    assert client.get(url).json()["code"] == "person_not_found"


def test_a_template_of_somebody_else_is_rejected_as_long_as_it_is_stored(
    make_client: MakeClient, photos: Photos
) -> None:
    client = make_client(default_vocabulary="")
    barack = enroll(client, photos["obama"], "Barack")
    other = enroll(client, photos["obama2"], "Other", on_duplicate="allow")
    own = f"/persons/{barack['person_id']}"
    for unknown in (barack["template_id"], "nothing"):
        answer = client.post(f"{own}/not-this", json={"template_id": unknown})
        assert answer.json()["code"] == "validation_error"
    rejection = reject(client, barack, template_id=other["template_id"])
    assert reject(client, barack, template_id=other["template_id"]) == rejection

    def candidates() -> list[str]:
        body = {"template_id": other["template_id"]}
        [found] = client.post("/identify", json=body).json()["faces"]
        return [one["name"] for one in found["candidates"]]

    assert candidates() == ["Other"]
    photo = f"/persons/{other['person_id']}/photos/{other['template_id']}"
    refused = client.patch(photo, json={"person_id": barack["person_id"]})
    assert refused.json()["code"] == "different_person"
    body = {"person_id": barack["person_id"], "on_mismatch": "allow"}
    assert client.patch(photo, json=body).status_code == 200
    assert client.get(f"{own}/not-this").json()["rejections"] == [], "the move contradicts it"

    back = f"{own}/photos/{other['template_id']}"
    client.patch(back, json={"person_id": other["person_id"], "on_mismatch": "allow"})
    reject(client, barack, template_id=other["template_id"])
    assert client.delete(photo).status_code == 204
    assert client.get(f"{own}/not-this").json()["rejections"] == []
