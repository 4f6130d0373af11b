"""Detection, verification and identification over HTTP."""

import io

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.conftest import MakeClient, encode, enroll, upload
from tests.models import with_other_mean

Photos = dict[str, bytes]


def test_identify_finds_a_person_enrolled_with_one_photo(
    gallery: TestClient, photos: Photos
) -> None:
    person = enroll(gallery, photos["obama"], "Barack Obama")
    answer = gallery.post("/identify", files=upload(photos["obama3"])).json()

    found = answer["faces"][0]
    assert found["decision"] == "match"
    assert found["person"]["person_id"] == person["person_id"]
    assert found["candidates"][0]["similarity"] >= answer["threshold"]
    assert answer["gallery_size"] == 1


def test_an_unknown_face_is_returned_with_the_nearest_people(
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
    for which in ("largest", "subject"):
        one = gallery.post(f"/identify?faces={which}", files=upload(photos["pair"])).json()
        assert len(one["faces"]) == 1


@pytest.mark.parametrize("which", ["all", "largest", "subject"])
def test_a_photo_without_a_face_identifies_no_one(
    gallery: TestClient, photos: Photos, which: str
) -> None:
    enroll(gallery, photos["obama"], "Barack Obama")
    for path in ("identify", "embed"):
        answer = gallery.post(f"/{path}?faces={which}", files=upload(photos["coffee"]))
        assert answer.status_code == 200
        assert answer.json()["faces"] == []
    unknown = {"collection": "nothing"}
    refused = gallery.post("/identify", files=upload(photos["coffee"]), data=unknown)
    assert refused.json()["code"] == "collection_not_found"


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_identify_turns_a_photo_without_a_face_on_request(
    gallery: TestClient, photos: Photos, quarters: int
) -> None:
    person = enroll(gallery, photos["obama3"], "Barack Obama")
    turned = encode(
        Image.open(io.BytesIO(photos["obama3"])).rotate(90 * quarters, expand=True), quality=92
    )
    plain = gallery.post("/identify", files=upload(turned)).json()
    found = gallery.post("/identify?rotate=auto", files=upload(turned)).json()["faces"][0]
    assert plain["faces"] == []
    assert found["person"]["person_id"] == person["person_id"]


def crowded_photo(client: TestClient, photos: Photos) -> bytes:
    """Obama in the middle, Biden's face larger and cut by the photo's edge."""
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
    return crowded.getvalue()


def test_verify_compares_the_subject_not_a_larger_face_at_the_edge(
    gallery: TestClient, photos: Photos
) -> None:
    crowded = crowded_photo(gallery, photos)
    found = gallery.post("/detect", files=upload(crowded)).json()["faces"]
    areas = [face["box"]["width"] * face["box"]["height"] for face in found]
    assert len(found) == 2
    assert areas[0] > 1.2 * areas[1]

    files = {"image_a": crowded, "image_b": photos["obama"]}
    fields = {"target_fmr": "0.01"}
    answer = gallery.post("/verify", files=files, data=fields).json()
    assert answer["verified"]
    assert answer["faces"]["a"]["box"] == found[1]["box"]
    largest = gallery.post("/verify", files=files, data={**fields, "face": "largest"}).json()
    assert not largest["verified"]
    assert largest["faces"]["a"]["box"] == found[0]["box"]
    refused = gallery.post("/verify", files=files, data={"face": "only"})
    assert (refused.status_code, refused.json()["code"]) == (422, "multiple_faces")
    assert refused.json()["detail"].startswith("image_a shows 2 faces")


def test_subject_and_largest_face_are_selected_by_name(gallery: TestClient, photos: Photos) -> None:
    """The same face is used by /embed, /identify and /verify, also against a person."""
    person_id = str(enroll(gallery, photos["obama"], "Barack Obama")["person_id"])
    crowded = crowded_photo(gallery, photos)
    largest, subject = gallery.post("/detect", files=upload(crowded)).json()["faces"]

    for which, face in (("subject", subject), ("largest", largest)):
        for path in ("embed", "identify"):
            answer = gallery.post(f"/{path}?faces={which}", files=upload(crowded)).json()
            assert [one["face"]["box"] for one in answer["faces"]] == [face["box"]]
        fields = {"person_id": person_id, "face": which, "target_fmr": "0.01"}
        verified = gallery.post("/verify", files=upload(crowded), data=fields).json()
        assert verified["faces"]["a"]["box"] == face["box"]
        assert verified["verified"] is (which == "subject")


def test_an_empty_gallery_identifies_no_one(make_client: MakeClient, photos: Photos) -> None:
    answer = make_client().post("/identify", files=upload(photos["obama"])).json()
    assert answer["gallery_size"] == 0
    assert answer["faces"][0]["decision"] == "unknown"
    assert answer["faces"][0]["candidates"] == []


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


def test_a_lower_fmr_raises_the_threshold(client: TestClient, photos: Photos) -> None:
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


def test_the_gallery_of_another_model_is_refused(
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


def test_people_are_identified_after_a_restart(
    make_client: MakeClient, photos: Photos, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("kept-data")
    enroll(make_client(data), photos["obama"], "Barack Obama")
    again = make_client(data).post("/identify", files=upload(photos["obama"])).json()
    assert again["faces"][0]["person"]["name"] == "Barack Obama"


def test_verify_of_two_photos_refuses_a_collection(client: TestClient, photos: Photos) -> None:
    files = {**upload(photos["obama"], "image_a"), **upload(photos["obama2"], "image_b")}
    refused = client.post("/verify", files=files, data={"collection": "default"})
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")


def test_verify_refuses_images_that_would_be_ignored(client: TestClient, photos: Photos) -> None:
    files = {**upload(photos["obama"], "image"), **upload(photos["obama2"], "image_b")}
    for data in ({}, {"person_id": "p"}):
        refused = client.post("/verify", files=files, data=data)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
