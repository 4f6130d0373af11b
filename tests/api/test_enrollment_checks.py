"""Comparisons before an enrollment: duplicates, and photos of another person than stated."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.conftest import MakeClient, enroll, upload

Photos = dict[str, bytes]


def test_a_face_of_another_person_is_refused(gallery: TestClient, photos: Photos) -> None:
    first = enroll(gallery, photos["obama"], "Barack Obama")
    again = gallery.post("/enroll", files=upload(photos["obama"]), data={"name": "Somebody"})

    assert again.status_code == 409
    problem = again.json()
    assert problem["code"] == "already_enrolled"
    assert problem["person"] == {"person_id": first["person_id"], "name": "Barack Obama"}
    assert 0.99 < problem["similarity"] <= 1.0
    assert problem["similarity"] >= problem["threshold"]
    assert len(gallery.get("/persons").json()["persons"]) == 1


def test_an_allowed_duplicate_makes_the_identification_ambiguous(
    gallery: TestClient, photos: Photos
) -> None:
    enroll(gallery, photos["obama"], "Barack Obama")
    enroll(gallery, photos["obama"], "Barry", on_duplicate="allow")

    found = gallery.post("/identify", files=upload(photos["obama"])).json()["faces"][0]
    assert found["decision"] == "ambiguous"
    assert found["person"] is None
    assert len(found["candidates"]) == 2


def test_concurrent_enrollments_of_one_face_create_one_person(
    gallery: TestClient, photos: Photos
) -> None:
    def attempt(number: int) -> int:
        data = {"name": f"Person {number}"}
        return gallery.post("/enroll", files=upload(photos["obama"]), data=data).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(attempt, range(8)))
    assert statuses == [201] + [409] * 7


def test_a_second_photo_extends_the_support_set(gallery: TestClient, photos: Photos) -> None:
    person_id = str(enroll(gallery, photos["obama"], "Barack Obama")["person_id"])
    more = gallery.post("/enroll", files=upload(photos["obama2"]), data={"person_id": person_id})

    assert more.status_code == 201
    assert more.json()["name"] == "Barack Obama"
    answer = gallery.post("/identify", files=upload(photos["obama2"])).json()
    candidates = answer["faces"][0]["candidates"]
    assert [c["person_id"] for c in candidates] == [person_id], "one candidate per person"
    assert candidates[0]["similarity"] > 0.99
    assert gallery.get(f"/persons/{person_id}").json()["photos"] == 2


@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_a_photo_of_somebody_else_is_not_added_to_a_person(
    gallery: TestClient, photos: Photos, dry_run: str
) -> None:
    obama = enroll(gallery, photos["obama"], "Barack Obama")
    fields = {"person_id": str(obama["person_id"]), "dry_run": dry_run}
    refused = gallery.post("/enroll", files=upload(photos["biden"]), data=fields)

    assert refused.status_code == 409
    problem = refused.json()
    assert problem["code"] == "different_person"
    assert problem["person"] == {"person_id": obama["person_id"], "name": "Barack Obama"}
    assert problem["similarity"] < problem["threshold"]
    assert gallery.get(f"/persons/{obama['person_id']}").json()["photos"] == 1
    accepted = gallery.post("/enroll", files=upload(photos["obama2"]), data=fields)
    assert accepted.status_code == (200 if dry_run == "true" else 201)


def test_a_mismatch_is_stored_if_it_is_allowed(gallery: TestClient, photos: Photos) -> None:
    obama = enroll(gallery, photos["obama"], "Barack Obama")
    fields = {"person_id": str(obama["person_id"]), "on_mismatch": "allow"}
    added = gallery.post("/enroll", files=upload(photos["biden"]), data=fields)
    assert added.status_code == 201
    assert gallery.get(f"/persons/{obama['person_id']}").json()["photos"] == 2


def test_a_mismatch_is_compared_with_the_best_template(gallery: TestClient, photos: Photos) -> None:
    """A photo that matches one of several templates is accepted."""
    obama = enroll(gallery, photos["biden"], "Barack Obama")
    fields = {"person_id": str(obama["person_id"])}
    allowed = {**fields, "on_mismatch": "allow"}
    for photo, data in (("obama", allowed), ("obama2", fields)):
        added = gallery.post("/enroll", files=upload(photos[photo]), data=data)
        assert added.status_code == 201, added.text


def test_a_photo_of_another_enrolled_person_is_a_mismatch_first(
    gallery: TestClient, photos: Photos
) -> None:
    obama = enroll(gallery, photos["obama"], "Barack Obama")
    biden = enroll(gallery, photos["biden"], "Joe Biden")
    fields = {"person_id": str(obama["person_id"])}
    refused = gallery.post("/enroll", files=upload(photos["biden"]), data=fields).json()
    assert refused["code"] == "different_person"
    fields["on_mismatch"] = "allow"
    refused = gallery.post("/enroll", files=upload(photos["biden"]), data=fields).json()
    assert refused["code"] == "already_enrolled"
    assert refused["person"]["person_id"] == biden["person_id"]


def test_a_person_without_templates_accepts_any_photo(gallery: TestClient, photos: Photos) -> None:
    obama = enroll(gallery, photos["obama"], "Barack Obama")
    gallery.delete(f"/persons/{obama['person_id']}/photos/{obama['template_id']}")
    enroll(gallery, photos["biden"], "Barack Obama", person_id=obama["person_id"])


def test_a_replayed_photo_is_not_compared_again(gallery: TestClient, photos: Photos) -> None:
    """The template of a retried request is returned even if it would not match any more."""
    obama = enroll(gallery, photos["obama"], "Barack Obama")
    url = f"/persons/{obama['person_id']}"
    fields = {"person_id": str(obama["person_id"])}
    headers = {"Idempotency-Key": "second photo"}

    def send() -> Response:
        return gallery.post("/enroll", files=upload(photos["obama2"]), data=fields, headers=headers)

    first = send()
    assert first.status_code == 201
    allowed = {**fields, "on_mismatch": "allow"}
    assert gallery.post("/enroll", files=upload(photos["biden"]), data=allowed).status_code == 201
    again = send()
    assert (again.status_code, again.json()) == (201, first.json())
    assert gallery.get(url).json()["photos"] == 3


def test_the_mismatch_rate_is_a_setting(make_client: MakeClient, photos: Photos) -> None:
    client = make_client(mismatch_fmr=1e-9)
    obama = enroll(client, photos["obama"], "Barack Obama")
    fields = {"person_id": str(obama["person_id"])}
    refused = client.post("/enroll", files=upload(photos["obama2"]), data=fields)
    assert refused.json()["code"] == "different_person"
