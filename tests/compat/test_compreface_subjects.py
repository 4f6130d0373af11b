"""Subjects and their examples in CompreFace's API."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient

from tests.compat.compreface_client import (
    API,
    FACES,
    SUBJECTS,
    UNKNOWN,
    Photos,
    add,
    recognize,
    refused,
    send,
)
from tests.conftest import MakeClient


def test_it_is_off_unless_the_setting_names_it(make_client: MakeClient) -> None:
    assert make_client().get(SUBJECTS).status_code == 404


def test_subjects_are_created_listed_renamed_and_deleted(compreface: TestClient) -> None:
    for name in ("Ada", "Grace/Hopper"):
        assert send(compreface, "POST", SUBJECTS, 201, json={"subject": name}) == {"subject": name}
    assert send(compreface, "GET", SUBJECTS) == {"subjects": ["Ada", "Grace/Hopper"]}
    assert refused(compreface, "POST", SUBJECTS, json={"subject": "Ada"}) == (400, 43)
    assert [one["name"] for one in compreface.get("/persons").json()["persons"]] == [
        "Ada",
        "Grace/Hopper",
    ]

    body = {"subject": "Countess", "api_endpoint": "Ada"}  # the Python client sends both
    assert send(compreface, "PUT", f"{SUBJECTS}/Ada", json=body) == {"updated": True}
    unchanged = send(compreface, "PUT", f"{SUBJECTS}/Countess", json={"subject": "Countess"})
    assert unchanged == {"updated": False}
    deleted = send(compreface, "DELETE", f"{SUBJECTS}/Grace%2FHopper")
    assert deleted == {"subject": "Grace/Hopper"}
    assert send(compreface, "GET", SUBJECTS) == {"subjects": ["Countess"]}
    assert send(compreface, "DELETE", SUBJECTS) == {"deleted": 1}
    for method, body in (("DELETE", {}), ("PUT", {"subject": "B"})):
        assert refused(compreface, method, f"{SUBJECTS}/Countess", json=body) == (404, 42)


def test_examples_are_added_listed_shown_and_deleted(
    compreface: TestClient, photos: Photos
) -> None:
    first = add(compreface, "Barack", photos["obama"])
    second = add(compreface, "Barack", photos["obama3"])
    third = add(compreface, "Joe", photos["biden"])
    for image_id in (first, second, third):
        assert str(uuid.UUID(image_id)) == image_id
        assert uuid.UUID(image_id).version == 4
    assert compreface.get("/persons").json()["persons"][0]["photos"] == 2

    listed = send(compreface, "GET", f"{FACES}?page=1&size=2")
    assert listed == {
        "faces": [{"image_id": third, "subject": "Joe"}],
        "page_number": 1,
        "page_size": 2,
        "total_pages": 2,
        "total_elements": 3,
    }
    of_barack = send(compreface, "GET", f"{FACES}?subject=Barack")
    assert [one["image_id"] for one in of_barack["faces"]] == [first, second]
    assert (of_barack["page_size"], of_barack["total_pages"]) == (20, 1)
    assert send(compreface, "GET", f"{FACES}?subject=Nobody")["total_pages"] == 0

    for path in (f"{FACES}/{first}/img", f"{API}/static/any-key/images/{first.upper()}"):
        image = compreface.get(path)
        assert (image.content, image.headers["content-type"]) == (photos["obama"], "image/jpeg")
    unknown = refused(compreface, "GET", f"{API}/static/any-key/images/{UNKNOWN}")
    assert unknown == (404, 44)

    one = {"image_id": first, "subject": "Barack"}
    assert send(compreface, "DELETE", f"{FACES}/{first}") == one
    assert refused(compreface, "DELETE", f"{FACES}/{first}") == (404, 44)
    deleted = send(compreface, "POST", f"{FACES}/delete", json=[second, first, UNKNOWN, "no id"])
    assert deleted == [{"image_id": second, "subject": "Barack"}]
    assert send(compreface, "GET", SUBJECTS)["subjects"] == ["Barack", "Joe"]
    assert send(compreface, "DELETE", f"{FACES}?subject=Joe") == {"deleted": 1}
    assert send(compreface, "DELETE", f"{FACES}?subject=Joe") == {"deleted": 0}
    assert send(compreface, "GET", SUBJECTS)["subjects"] == ["Barack"]
    assert send(compreface, "DELETE", FACES) == {"deleted": 0}
    assert send(compreface, "GET", SUBJECTS) == {"subjects": []}


def test_simultaneous_examples_create_one_subject(compreface: TestClient, photos: Photos) -> None:
    with ThreadPoolExecutor(2) as pool:
        names = ("obama", "obama2", "obama3")
        ids = list(pool.map(lambda name: add(compreface, "Barack", photos[name]), names))
    assert len(set(ids)) == 3
    [person] = compreface.get("/persons").json()["persons"]
    assert (person["name"], person["photos"]) == ("Barack", 3)


def test_renaming_to_an_existing_name_merges(compreface: TestClient, photos: Photos) -> None:
    first = add(compreface, "Barack", photos["obama"])
    send(compreface, "POST", SUBJECTS, 201, json={"subject": "Obama"})
    body = {"subject": "Obama"}
    assert send(compreface, "PUT", f"{SUBJECTS}/Barack", json=body) == {"updated": True}
    listed = send(compreface, "GET", FACES)["faces"]
    assert listed == [{"image_id": first, "subject": "Obama"}]
    assert send(compreface, "GET", SUBJECTS) == {"subjects": ["Obama"]}
    assert recognize(compreface, photos["obama2"])[0]["subjects"][0]["subject"] == "Obama"
    assert compreface.get(f"{FACES}/{first}/img").content == photos["obama"]

    add(compreface, "Joe", photos["biden"])
    assert refused(compreface, "PUT", f"{SUBJECTS}/Joe", json=body) == (400, 26)  # another face
    assert send(compreface, "GET", SUBJECTS) == {"subjects": ["Obama", "Joe"]}
