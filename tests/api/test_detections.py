"""Templates remember the face that they were made from."""

from fastapi.testclient import TestClient
from sqlalchemy import delete, func, select

from app.store.db.detection_table import DetectionRow
from tests.conftest import enroll, services_of, upload

Photos = dict[str, bytes]


def test_a_template_shows_its_face_and_its_origin(gallery: TestClient, photos: Photos) -> None:
    fields = {"source": "front door", "image_id": "IMG_0412"}
    enrolled = enroll(gallery, photos["obama"], "Barack Obama", **fields)
    url = f"/persons/{enrolled['person_id']}/photos"
    [photo] = gallery.get(url).json()["photos"]
    assert photo["face"] == enrolled["face"]
    assert photo["face"]["quality"]["score"] == photo["quality"]
    assert {name: photo[name] for name in fields} == fields

    second = {"person_id": str(enrolled["person_id"])}
    gallery.post("/enroll", files=upload(photos["obama2"]), data=second).raise_for_status()
    _, other = gallery.get(url).json()["photos"]
    assert (other["source"], other["image_id"]) == (None, None)
    assert other["face"] is not None


def test_a_template_of_an_earlier_version_has_no_face(gallery: TestClient, photos: Photos) -> None:
    person_id = enroll(gallery, photos["obama"], "Barack Obama")["person_id"]
    database = services_of(gallery).database
    with database.write() as session:
        session.execute(delete(DetectionRow))
    [photo] = gallery.get(f"/persons/{person_id}/photos").json()["photos"]
    assert photo["quality"] > 0
    assert (photo["face"], photo["source"], photo["image_id"]) == (None, None, None)


def test_a_detection_is_deleted_with_its_template(gallery: TestClient, photos: Photos) -> None:
    person_id = enroll(gallery, photos["obama"], "Barack Obama", source="door")["person_id"]
    gallery.delete(f"/persons/{person_id}")
    with services_of(gallery).database.read() as session:
        assert session.scalar(select(func.count()).select_from(DetectionRow)) == 0


def test_an_invalid_source_is_refused(gallery: TestClient, photos: Photos) -> None:
    for fields in ({"source": ""}, {"image_id": "x" * 201}, {"source": "a\u0000b"}):
        data = {"name": "B", **fields}
        refused = gallery.post("/enroll", files=upload(photos["obama"]), data=data)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
