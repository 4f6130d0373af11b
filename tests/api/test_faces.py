"""The main job: enroll with one photo, then verify and identify with others."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image

from tests.conftest import MakeClient, enroll, upload
from tests.models import with_other_mean

Photos = dict[str, bytes]


@pytest.fixture
def gallery(client: TestClient) -> TestClient:
    """The client with an empty default gallery."""
    client.delete("/collections/default")
    return client


def test_one_photo_is_enough(gallery: TestClient, photos: Photos) -> None:
    person = enroll(gallery, photos["obama"], "Barack Obama")
    answer = gallery.post("/identify", files=upload(photos["obama3"])).json()

    found = answer["faces"][0]
    assert found["decision"] == "match"
    assert found["person"]["person_id"] == person["person_id"]
    assert found["candidates"][0]["similarity"] >= answer["threshold"]
    assert answer["gallery_size"] == 1


def test_a_stranger_is_unknown_but_sees_the_nearest_people(
    gallery: TestClient, photos: Photos
) -> None:
    enroll(gallery, photos["obama"], "Barack Obama")
    found = gallery.post("/identify", files=upload(photos["biden"])).json()["faces"][0]

    assert found["decision"] == "unknown"
    assert found["person"] is None
    assert [c["name"] for c in found["candidates"]] == ["Barack Obama"]


def test_every_face_of_a_group_is_identified(gallery: TestClient, photos: Photos) -> None:
    enroll(gallery, photos["obama"], "Barack Obama")
    faces = gallery.post("/identify", files=upload(photos["pair"])).json()["faces"]

    assert sorted(face["decision"] for face in faces) == ["match", "unknown"]
    largest = gallery.post("/identify?faces=largest", files=upload(photos["pair"])).json()
    assert len(largest["faces"]) == 1


def test_a_larger_bystander_at_the_edge_is_not_verified(
    make_client: MakeClient, photos: Photos
) -> None:
    """Obama in the middle, Biden's face larger and cut by the photo's edge."""
    client = make_client()
    scene = Image.new("RGB", (1000, 800))
    for name, height, middle in (("obama", 260, (500, 400)), ("biden", 330, (880, 420))):
        photo = Image.open(io.BytesIO(photos[name])).convert("RGB")
        box = client.post("/detect", files=upload(photos[name])).json()["faces"][0]["box"]
        left, top, width, tall = (round(box[key]) for key in ("x", "y", "width", "height"))
        face = photo.crop((left, top - tall // 8, left + width, top + tall * 9 // 8))
        face = face.resize((height * width // tall, height * 5 // 4))
        scene.paste(face, (middle[0] - face.width // 2, middle[1] - face.height // 2))
    crowded = io.BytesIO()
    scene.save(crowded, "JPEG", quality=92)
    found = client.post("/detect", files=upload(crowded.getvalue())).json()["faces"]
    areas = [face["box"]["width"] * face["box"]["height"] for face in found]
    assert len(found) == 2
    assert areas[0] > 1.2 * areas[1]

    files = {"image_a": crowded.getvalue(), "image_b": photos["obama"]}
    answer = client.post("/verify", files=files, data={"target_fmr": "0.01"}).json()
    assert answer["verified"]
    assert answer["faces"]["a"]["box"] == found[1]["box"]


def test_nobody_enrolled_means_unknown(make_client: MakeClient, photos: Photos) -> None:
    answer = make_client().post("/identify", files=upload(photos["obama"])).json()
    assert answer["gallery_size"] == 0
    assert answer["faces"][0]["decision"] == "unknown"
    assert answer["faces"][0]["candidates"] == []


def test_the_same_face_under_another_name_is_refused_from_the_first_photo_on(
    gallery: TestClient, photos: Photos
) -> None:
    first = enroll(gallery, photos["obama"], "Barack Obama")
    again = gallery.post("/enroll", files=upload(photos["obama"]), data={"name": "Somebody"})

    assert again.status_code == 409
    problem = again.json()
    assert problem["code"] == "already_enrolled"
    assert problem["person"] == {"person_id": first["person_id"], "name": "Barack Obama"}
    assert problem["similarity"] > 0.99
    assert len(gallery.get("/persons").json()["persons"]) == 1


def test_a_duplicate_may_be_allowed_and_makes_the_answer_ambiguous(
    gallery: TestClient, photos: Photos
) -> None:
    enroll(gallery, photos["obama"], "Barack Obama")
    enroll(gallery, photos["obama"], "Barry", on_duplicate="allow")

    found = gallery.post("/identify", files=upload(photos["obama"])).json()["faces"][0]
    assert found["decision"] == "ambiguous"
    assert found["person"] is None
    assert len(found["candidates"]) == 2


def test_two_at_once_cannot_both_enroll_one_face(gallery: TestClient, photos: Photos) -> None:
    def attempt(number: int) -> int:
        data = {"name": f"Person {number}"}
        return gallery.post("/enroll", files=upload(photos["obama"]), data=data).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(attempt, range(8)))
    assert statuses == [201] + [409] * 7


def test_a_second_photo_joins_the_support_set(gallery: TestClient, photos: Photos) -> None:
    person_id = str(enroll(gallery, photos["obama"], "Barack Obama")["person_id"])
    more = gallery.post("/enroll", files=upload(photos["obama2"]), data={"person_id": person_id})

    assert more.status_code == 201
    assert more.json()["name"] == "Barack Obama"
    answer = gallery.post("/identify", files=upload(photos["obama2"])).json()
    candidates = answer["faces"][0]["candidates"]
    assert [c["person_id"] for c in candidates] == [person_id], "one row a person"
    assert candidates[0]["similarity"] > 0.99
    assert gallery.get(f"/persons/{person_id}").json()["photos"] == 2


def test_fields_that_would_be_ignored_are_refused(gallery: TestClient, photos: Photos) -> None:
    person_id = str(enroll(gallery, photos["obama"], "Barack Obama")["person_id"])
    late = {"person_id": person_id, "metadata": "{}"}
    refused = gallery.post("/enroll", files=upload(photos["obama2"]), data=late)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    renamed = {"person_id": person_id, "name": "Somebody else"}
    assert gallery.post("/enroll", files=upload(photos["obama2"]), data=renamed).status_code == 422
    files = {**upload(photos["obama"], "image_a"), **upload(photos["obama2"], "image_b")}
    assert gallery.post("/verify", files=files, data={"collection": "default"}).status_code == 422
    assert gallery.get(f"/persons/{person_id}").json()["photos"] == 1


def test_a_dry_run_stores_nothing(gallery: TestClient, photos: Photos) -> None:
    fields = {"name": "Barack Obama", "dry_run": "true"}
    answer = gallery.post("/enroll", files=upload(photos["obama"]), data=fields)

    assert answer.status_code == 200
    assert answer.json()["template_id"] is None
    enroll(gallery, photos["obama"], "Barack Obama")
    again = gallery.post("/enroll", files=upload(photos["obama"]), data=fields)
    assert again.status_code == 409, "a dry run warns of the duplicate, too"


def test_verify_two_photos(client: TestClient, photos: Photos) -> None:
    same = {**upload(photos["obama"], "image_a"), **upload(photos["obama3"], "image_b")}
    answer = client.post("/verify", files=same, data={"target_fmr": "0.01"}).json()
    assert answer["verified"] is True
    assert answer["decision"] == "match"
    assert answer["similarity"] >= answer["threshold"]
    assert answer["distance"] == pytest.approx(2 - 2 * answer["similarity"])
    assert answer["estimated_fmr"] <= 0.01
    assert set(answer["faces"]) == {"a", "b"}

    other = {**upload(photos["obama"], "image_a"), **upload(photos["biden"], "image_b")}
    answer = client.post("/verify", files=other, data={"target_fmr": "0.01"}).json()
    assert answer["decision"] == "no_match"


def test_a_stricter_rate_means_a_higher_threshold(client: TestClient, photos: Photos) -> None:
    files = {**upload(photos["obama"], "image_a"), **upload(photos["obama3"], "image_b")}

    def threshold(fmr: str) -> float:
        answer = client.post("/verify", files=files, data={"target_fmr": fmr})
        return float(answer.json()["threshold"])

    assert threshold("0.1") < threshold("0.01") < threshold("0.001") < threshold("0.00001")


def test_verify_against_a_person(gallery: TestClient, photos: Photos) -> None:
    person_id = str(enroll(gallery, photos["obama"], "Barack Obama")["person_id"])
    fields = {"person_id": person_id, "target_fmr": "0.01"}

    answer = gallery.post("/verify", files=upload(photos["obama3"]), data=fields).json()
    assert answer["verified"] is True
    assert answer["person"]["person_id"] == person_id
    assert "b" not in answer["faces"] or answer["faces"]["b"] is None
    stranger = gallery.post("/verify", files=upload(photos["biden"]), data=fields).json()
    assert stranger["verified"] is False


def test_the_gallery_of_another_model_is_refused_not_mixed(
    make_client: MakeClient, photos: Photos, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same weights behind another preprocessing are another embedding space."""
    data = tmp_path_factory.mktemp("shared-data")
    enroll(make_client(data), photos["obama"], "Barack Obama")
    other = make_client(data, face_model=str(with_other_mean(tmp_path_factory.mktemp("model"))))

    for answer in (
        other.post("/identify", files=upload(photos["obama"])),
        other.post("/enroll", files=upload(photos["obama"]), data={"name": "B"}),
    ):
        assert answer.status_code == 409
        assert answer.json()["code"] == "space_mismatch"


def test_a_restart_forgets_nobody(
    make_client: MakeClient, photos: Photos, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("kept-data")
    enroll(make_client(data), photos["obama"], "Barack Obama")
    again = make_client(data).post("/identify", files=upload(photos["obama"])).json()
    assert again["faces"][0]["person"]["name"] == "Barack Obama"


def test_a_retried_enrollment_is_no_second_person(gallery: TestClient, photos: Photos) -> None:
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
    anew = send("obama", "Barack Obama")
    assert anew.status_code == 201
    assert "Idempotent-Replayed" not in anew.headers, "what is deleted is gone, its key too"


def test_retries_at_the_same_moment_make_one_person(gallery: TestClient, photos: Photos) -> None:
    def send(_number: int) -> dict[str, object]:
        answer = gallery.post(
            "/enroll",
            files=upload(photos["biden"]),
            data={"name": "Joe Biden", "on_duplicate": "allow"},
            headers={"Idempotency-Key": "at-once"},
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, object] = answer.json()
        return found

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert len({str(answer["template_id"]) for answer in answers}) == 1
    assert len(gallery.get("/persons").json()["persons"]) == 1
