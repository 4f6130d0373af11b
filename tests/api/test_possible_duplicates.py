"""An enrollment that is not refused names another person whom the photo would verify as."""

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient, enroll, upload

Photos = dict[str, bytes]


@pytest.fixture(scope="module")
def lenient(make_client: MakeClient) -> TestClient:
    """An application whose duplicate check refuses hardly anybody."""
    return make_client(duplicate_fpir=1e-9)


def test_a_person_who_is_enrolled_again_is_named(lenient: TestClient, photos: Photos) -> None:
    first = enroll(lenient, photos["obama"], "Barack")
    assert first["possible_duplicate"] is None
    again = enroll(lenient, photos["obama2"], "Barack Obama")
    found = again["possible_duplicate"]
    assert isinstance(found, dict)
    assert found["person"] == {"person_id": first["person_id"], "name": "Barack"}
    assert found["similarity"] >= found["threshold"]
    fields = {"person_id": first["person_id"]}
    verified = lenient.post("/verify", files=upload(photos["obama2"]), data=fields).json()
    assert verified["verified"] is True
    assert verified["threshold"] == pytest.approx(found["threshold"], abs=1e-4)


def test_a_new_person_resembles_nobody(lenient: TestClient, photos: Photos) -> None:
    lenient.delete("/collections/default")
    enroll(lenient, photos["obama"], "Barack")
    assert enroll(lenient, photos["biden"], "Joe")["possible_duplicate"] is None


def test_a_dry_run_names_the_person_too(lenient: TestClient, photos: Photos) -> None:
    lenient.delete("/collections/default")
    enroll(lenient, photos["obama"], "Barack")
    fields = {"name": "again", "dry_run": "true"}
    tried = lenient.post("/enroll", files=upload(photos["obama2"]), data=fields)
    assert tried.status_code == 200
    assert tried.json()["possible_duplicate"]["person"]["name"] == "Barack"


def test_an_allowed_duplicate_is_not_compared(lenient: TestClient, photos: Photos) -> None:
    lenient.delete("/collections/default")
    enroll(lenient, photos["obama"], "Barack")
    fields = {"name": "again", "on_duplicate": "allow"}
    stored = lenient.post("/enroll", files=upload(photos["obama2"]), data=fields)
    assert stored.status_code == 201
    assert stored.json()["possible_duplicate"] is None
