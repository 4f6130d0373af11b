"""Enrollment over HTTP: external ids, quality, dry runs, idempotency and batches."""

import io
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image

from tests.conftest import MakeClient, encode, enroll, upload

Photos = dict[str, bytes]


def test_an_external_id_belongs_to_one_person(gallery: TestClient, photos: Photos) -> None:
    obama = enroll(gallery, photos["obama"], "Barack Obama", external_id="44")
    for dry_run in ("true", "false"):
        fields = {"name": "Joe Biden", "external_id": "44", "dry_run": dry_run}
        refused = gallery.post("/enroll", files=upload(photos["biden"]), data=fields)
        assert (refused.status_code, refused.json()["code"]) == (409, "external_id_taken")
        assert refused.json()["person_id"] == obama["person_id"]
    assert len(gallery.get("/persons").json()["persons"]) == 1

    assert gallery.post("/collections", json={"name": "staff"}).status_code == 201
    enroll(gallery, photos["biden"], "Joe Biden", external_id="44", collection="staff")
    gallery.delete("/collections/staff")
    gallery.delete(f"/persons/{obama['person_id']}")
    enroll(gallery, photos["biden"], "Joe Biden", external_id="44")


def test_concurrent_enrollments_share_no_external_id(gallery: TestClient, photos: Photos) -> None:
    def attempt(number: int) -> int:
        data = {"name": f"Person {number}", "external_id": "1", "on_duplicate": "allow"}
        return gallery.post("/enroll", files=upload(photos["obama"]), data=data).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(attempt, range(8)))
    assert statuses == [201] + [409] * 7


def test_a_dry_run_stores_nothing(gallery: TestClient, photos: Photos) -> None:
    fields = {"name": "Barack Obama", "dry_run": "true"}
    answer = gallery.post("/enroll", files=upload(photos["obama"]), data=fields)

    assert answer.status_code == 200
    assert answer.json()["template_id"] is None
    enroll(gallery, photos["obama"], "Barack Obama")
    again = gallery.post("/enroll", files=upload(photos["obama"]), data=fields)
    assert again.status_code == 409, "a dry run reports the duplicate, too"


def test_an_idempotency_key_prevents_a_second_person(gallery: TestClient, photos: Photos) -> None:
    def send(photo: str, name: str, key: str = "retry-1") -> Response:
        fields = {"name": name, "on_duplicate": "allow"}
        headers = {"Idempotency-Key": key}
        return gallery.post("/enroll", files=upload(photos[photo]), data=fields, headers=headers)

    first, again = send("obama", "Barack Obama"), send("obama", "Barack Obama")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(gallery.get("/persons").json()["persons"]) == 1

    reused = send("obama", "Somebody Else")
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert (
        send("obama", "Barack Obama", "retry-2").json()["person_id"] != (first.json()["person_id"])
    )
    gallery.delete(f"/persons/{first.json()['person_id']}")
    later = send("obama", "Barack Obama")
    assert later.status_code == 201
    assert "Idempotent-Replayed" not in later.headers, (
        "deleting a person deletes the idempotency key"
    )


def test_concurrent_retries_create_one_person(gallery: TestClient, photos: Photos) -> None:
    def send(_number: int) -> dict[str, object]:
        answer = gallery.post(
            "/enroll",
            files=upload(photos["biden"]),
            data={"name": "Joe Biden", "on_duplicate": "allow"},
            headers={"Idempotency-Key": "concurrent"},
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, object] = answer.json()
        return found

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert len({str(answer["template_id"]) for answer in answers}) == 1
    assert len(gallery.get("/persons").json()["persons"]) == 1


def test_fields_that_would_be_ignored_are_refused(gallery: TestClient, photos: Photos) -> None:
    person_id = str(enroll(gallery, photos["obama"], "Barack Obama")["person_id"])
    late = {"person_id": person_id, "metadata": "{}"}
    refused = gallery.post("/enroll", files=upload(photos["obama2"]), data=late)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    renamed = {"person_id": person_id, "name": "Somebody else"}
    assert gallery.post("/enroll", files=upload(photos["obama2"]), data=renamed).status_code == 422
    assert gallery.get(f"/persons/{person_id}").json()["photos"] == 1


def with_bystander(photos: Photos, width: int) -> bytes:
    """Obama's photo with Biden's reduced to `width` pixels beside it."""
    scene = Image.new("RGB", (900, 800))
    bystander = Image.open(io.BytesIO(photos["biden"])).convert("RGB")
    bystander.thumbnail((width, 800))
    scene.paste(Image.open(io.BytesIO(photos["obama"])).convert("RGB").resize((600, 800)), (150, 0))
    scene.paste(bystander, (900 - bystander.width, 800 - bystander.height))
    return encode(scene, quality=92)


def test_a_small_second_face_does_not_prevent_enrollment(
    gallery: TestClient, photos: Photos
) -> None:
    crowded = with_bystander(photos, 230)
    found = gallery.post("/detect", files=upload(crowded)).json()["faces"]
    assert len(found) == 2
    enrolled = enroll(gallery, crowded, "Barack Obama")
    assert enrolled["face"] == found[0]
    matched = gallery.post("/identify", files=upload(photos["obama"])).json()["faces"][0]
    assert matched["candidates"][0]["similarity"] > 0.8

    fields = {"name": "Two", "face": "only", "dry_run": "true"}
    refused = gallery.post("/enroll", files=upload(crowded), data=fields)
    assert (refused.status_code, refused.json()["code"]) == (422, "multiple_faces")


@pytest.mark.parametrize("face", [None, "subject", "only"])
def test_a_group_photo_is_refused_unless_the_largest_face_is_requested(
    gallery: TestClient, photos: Photos, face: str | None
) -> None:
    fields = {"name": "Two", **({"face": face} if face else {})}
    refused = gallery.post("/enroll", files=upload(photos["pair"]), data=fields)
    assert (refused.status_code, refused.json()["code"]) == (422, "multiple_faces")
    assert refused.json()["faces"] == 2
    fields = {"name": "Two", "face": "largest", "dry_run": "true"}
    assert gallery.post("/enroll", files=upload(photos["pair"]), data=fields).status_code == 200


def test_a_photo_of_poor_quality_is_refused_with_measured_reasons(
    gallery: TestClient, photos: Photos
) -> None:
    dark = Image.open(io.BytesIO(photos["astronaut"])).point(lambda level: level // 8)
    refused = gallery.post(
        "/enroll", files=upload(encode(dark, quality=95)), data={"name": "Night"}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "poor_quality")
    reasons = {reason["code"]: reason for reason in refused.json()["reasons"]}
    assert reasons["too_dark"]["measured"] < reasons["too_dark"]["limit"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\u0000b"},
        {"name": "A", "metadata": "no json"},
        {"name": "A", "metadata": "[1]"},
        {"name": "A", "face": "smallest"},
        {"name": "A", "collection": "../etc"},
        {"name": "A", "colour": "red"},
    ],
)
def test_invalid_enrollment_fields_are_refused(
    gallery: TestClient, photos: Photos, fields: dict[str, str]
) -> None:
    refused = gallery.post("/enroll", files=upload(photos["astronaut"]), data=fields)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    assert gallery.get("/persons").json()["persons"] == [], "nobody is enrolled"


def test_an_error_does_not_repeat_the_name(client: TestClient, photos: Photos) -> None:
    secret = "s3cret-name\u0007"
    refused = client.post("/enroll", files=upload(photos["astronaut"]), data={"name": secret})
    assert refused.status_code == 422
    assert "s3cret" not in refused.text


def test_every_item_of_a_batch_has_its_own_result(make_client: MakeClient, photos: Photos) -> None:
    client = make_client(default_vocabulary="")

    def item(photo: str, name: str | None, **more: object) -> dict[str, object]:
        return {"image": b64encode(photos[photo]).decode(), "name": name, **more}

    items = [
        item("obama", "Barack"),
        item("coffee", "Cup"),
        item("obama", "Other"),
        item("biden", "Joe", dry_run=True),
        {"image": "no base64!", "name": "X"},
        item("biden", None),
    ]
    body = client.post("/enroll/batch", json={"items": items}).json()
    obama = body["results"][0]["enrolled"]["person_id"]
    assert [one["status"] for one in body["results"]] == [201, 422, 409, 200, 400, 422]
    codes = [one["problem"] and one["problem"]["code"] for one in body["results"]]
    assert codes == [None, "no_face", "already_enrolled", None, "invalid_image", "validation_error"]
    assert (body["enrolled"], body["refused"]) == (2, 4)
    assert [p["name"] for p in client.get("/persons").json()["persons"]] == ["Barack"]
    more = [
        item("biden", None, person_id=obama),
        item("obama2", None, person_id=obama),
        item("biden", "Joe", external_id="46"),
        item("pair", "Two", external_id="47"),
        item("astronaut", "Eileen", external_id="46"),
    ]
    body = client.post("/enroll/batch", json={"items": more}).json()
    codes = [one["problem"] and one["problem"]["code"] for one in body["results"]]
    assert codes == ["different_person", None, None, "multiple_faces", "external_id_taken"]
    joe = body["results"][2]["enrolled"]["person_id"]
    assert body["results"][4]["problem"]["person_id"] == joe
    invalid: list[dict[str, object]] = [{"items": []}, {"items": [{"name": "x"}]}, {}]
    for batch in invalid:
        assert client.post("/enroll/batch", json=batch).json()["code"] == "validation_error"
