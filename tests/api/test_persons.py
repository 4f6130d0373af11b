"""People, their photos and their collections over HTTP."""

from fastapi.testclient import TestClient

from tests.conftest import MakeClient, enroll, upload
from tests.models import SHIPPED

Photos = dict[str, bytes]


def test_a_person_is_returned_as_enrolled(gallery: TestClient, photos: Photos) -> None:
    enrolled = enroll(
        gallery,
        photos["astronaut"],
        "Eileen Collins",
        external_id="nasa-17",
        metadata='{"flights": 4, "role": {"pilot": true}}',
    )
    person = gallery.get(f"/persons/{enrolled['person_id']}").json()
    assert person["name"] == "Eileen Collins"
    assert person["external_id"] == "nasa-17"
    assert person["metadata"] == {"flights": 4, "role": {"pilot": True}}
    assert person["collection"] == "default"
    assert person["photos"] == 1
    assert person["created_at"].endswith("Z")


def test_patch_changes_only_the_fields_that_are_sent(gallery: TestClient, photos: Photos) -> None:
    enrolled = enroll(gallery, photos["astronaut"], "E. Collins", external_id="x")
    url = f"/persons/{enrolled['person_id']}"

    assert gallery.patch(url, json={"name": "Eileen"}).json()["external_id"] == "x"
    changed = gallery.patch(url, json={"external_id": None, "metadata": {"a": 1}}).json()
    assert (changed["name"], changed["external_id"], changed["metadata"]) == (
        "Eileen",
        None,
        {"a": 1},
    )
    for invalid in ({"name": None}, {"metadata": None}, {"name": ""}, {"photos": 3}):
        assert gallery.patch(url, json=invalid).status_code == 422
    assert gallery.get(url).json() == changed


def test_patch_refuses_the_external_id_of_another_person(
    gallery: TestClient, photos: Photos
) -> None:
    holder = enroll(gallery, photos["astronaut"], "Eileen", external_id="1")
    other = enroll(gallery, photos["obama"], "Barack", external_id="2")
    url = f"/persons/{other['person_id']}"

    refused = gallery.patch(url, json={"name": "B", "external_id": "1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "external_id_taken")
    assert refused.json()["person_id"] == holder["person_id"]
    unchanged = gallery.get(url).json()
    assert (unchanged["name"], unchanged["external_id"]) == ("Barack", "2")
    assert gallery.patch(url, json={"external_id": "2"}).status_code == 200
    gallery.patch(f"/persons/{holder['person_id']}", json={"external_id": None})
    assert gallery.patch(url, json={"external_id": "1"}).json()["external_id"] == "1"


def test_a_deleted_person_is_not_found(gallery: TestClient, photos: Photos) -> None:
    enrolled = enroll(gallery, photos["astronaut"], "Eileen")
    url = f"/persons/{enrolled['person_id']}"
    assert gallery.delete(url).status_code == 204

    found = gallery.post("/identify", files=upload(photos["astronaut"])).json()
    assert found["gallery_size"] == 0
    assert found["faces"][0]["candidates"] == []
    for answer in (gallery.get(url), gallery.delete(url), gallery.get(url + "/photos")):
        assert (answer.status_code, answer.json()["code"]) == (404, "person_not_found")


def test_templates_are_listed_and_deleted_one_by_one(gallery: TestClient, photos: Photos) -> None:
    enrolled = enroll(gallery, photos["astronaut"], "Eileen")
    url = f"/persons/{enrolled['person_id']}/photos"
    listed = gallery.get(url).json()["photos"]
    assert [photo["template_id"] for photo in listed] == [enrolled["template_id"]]
    assert not {"image", "embedding", "vector"} & set(listed[0])

    assert gallery.delete(f"{url}/nothing").json()["code"] == "photo_not_found"
    assert gallery.delete(f"{url}/{enrolled['template_id']}").status_code == 204
    assert gallery.get(url).json()["photos"] == []
    found = gallery.post("/identify", files=upload(photos["astronaut"])).json()["faces"][0]
    assert found["candidates"] == []
    verified = gallery.post(
        "/verify",
        files=upload(photos["astronaut"]),
        data={"person_id": str(enrolled["person_id"])},
    )
    assert verified.json()["similarity"] == -1.0, "a person without templates has the similarity -1"


def test_people_are_listed_page_by_page(gallery: TestClient, photos: Photos) -> None:
    names = [f"Person {number}" for number in range(5)]
    for name in names:
        enroll(gallery, photos["astronaut"], name, on_duplicate="allow")
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = gallery.get("/persons", params=query).json()
        seen += [person["name"] for person in page["persons"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == names

    one = gallery.get("/persons", params={"name": "Person 3"}).json()["persons"]
    assert [person["name"] for person in one] == ["Person 3"]
    bad = gallery.get("/persons", params={"cursor": "made up"})
    assert (bad.status_code, bad.json()["code"]) == (422, "validation_error")


def test_people_are_found_by_name(gallery: TestClient, photos: Photos) -> None:
    """By the beginning or any part of the name, in any script and case."""
    names = ["Ömer Öztürk", "O\u0308mer Kaya", "Zoë Ömer", "سارا احمدی", "100% Ann_a"]
    for name in names:
        enroll(gallery, photos["astronaut"], name, on_duplicate="allow")

    def found(**query: str) -> list[str]:
        answer = gallery.get("/persons", params=query)
        assert answer.status_code == 200, answer.text
        return [person["name"] for person in answer.json()["persons"]]

    assert found(name="ömer") == names[:2]
    assert found(q="ÖMER") == names[:3]
    assert found(q="احمدی") == [names[3]]
    assert found(name="ömer", q="kaya") == [names[1]]
    assert found(q="0% ann_") == [names[4]]
    assert found(name="%") == found(q="n-a") == []
    first = gallery.get("/persons", params={"q": "ömer", "limit": "1"}).json()
    rest = gallery.get("/persons", params={"q": "ömer", "cursor": first["next_cursor"]}).json()
    assert [p["name"] for p in first["persons"] + rest["persons"]] == names[:3]
    assert rest["next_cursor"] is None


def test_galleries_are_separate(gallery: TestClient, photos: Photos) -> None:
    assert gallery.post("/collections", json={"name": "staff"}).status_code == 201
    person = enroll(gallery, photos["astronaut"], "Eileen", collection="staff")
    enroll(gallery, photos["astronaut"], "Eileen")  # another gallery, no duplicate

    assert len(gallery.get("/persons", params={"collection": "staff"}).json()["persons"]) == 1
    wrong = gallery.post(
        "/enroll",
        files=upload(photos["obama"]),
        data={"person_id": str(person["person_id"])},
    )
    assert (wrong.status_code, wrong.json()["code"]) == (404, "person_not_found")
    assert gallery.delete("/collections/staff").status_code == 204
    assert gallery.get(f"/persons/{person['person_id']}").status_code == 404


def test_collections(make_client: MakeClient) -> None:
    client = make_client()
    created = client.post("/collections", json={"name": "guests"})
    assert (created.status_code, created.json()["kind"], created.json()["size"]) == (
        201,
        "gallery",
        0,
    )
    assert created.json()["model"] == SHIPPED.name

    again = client.post("/collections", json={"name": "guests"})
    assert (again.status_code, again.json()["code"]) == (409, "collection_exists")
    other = client.post("/collections", json={"name": "x", "model": "facenet"})
    assert (other.status_code, other.json()["code"]) == (409, "space_mismatch")
    words = client.post("/collections", json={"name": "x", "kind": "vocabulary"})
    assert (words.status_code, words.json()["code"]) == (422, "validation_error")
    for name in ("", "a b", "../x", "x" * 101):
        assert client.post("/collections", json={"name": name}).status_code == 422

    listed = client.get("/collections").json()["collections"]
    assert [collection["name"] for collection in listed] == ["default", "guests"]
    for answer in (
        client.get("/collections/nothing"),
        client.delete("/collections/nothing"),
        client.get("/persons", params={"collection": "nothing"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "collection_not_found")


def test_enrollment_does_not_create_unknown_collections(
    gallery: TestClient, photos: Photos
) -> None:
    for dry_run in ("true", "false"):
        refused = gallery.post(
            "/enroll",
            files=upload(photos["astronaut"]),
            data={"name": "E", "collection": "typo", "dry_run": dry_run},
        )
        assert (refused.status_code, refused.json()["code"]) == (404, "collection_not_found")
