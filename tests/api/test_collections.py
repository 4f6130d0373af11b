"""Decision options and calibration of collections over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.errors import TooFewPeople
from app.faces.decisions.gallery_table import GalleryTable, normalisation_digest
from app.inference.manifest import Calibration
from app.store.calibrations import set_calibration
from app.store.collections import get_collection, lock_collection
from tests.conftest import MakeClient, enroll, services_of, upload
from tests.store.galleries import add_people, made_up_people

PEOPLE = 160


@pytest.fixture(scope="module")
def calibrated(make_client: MakeClient) -> Iterator[TestClient]:
    """A client with the gallery `crowd`: made-up people with two templates, not calibrated yet."""
    client = make_client()
    assert client.post("/collections", json={"name": "crowd"}).status_code == 201
    space = services_of(client).embedder.space
    vectors = made_up_people(PEOPLE, 2, space.dimension)
    add_people(services_of(client).database, "crowd", vectors)
    yield client


def test_options_are_set_changed_and_deleted(client: TestClient) -> None:
    body = {"name": "strict", "target_fmr": 0.0001}
    created = client.post("/collections", json=body).json()
    assert (created["target_fmr"], created["target_fpir"], created["threshold"]) == (
        0.0001,
        None,
        None,
    )
    assert created["decisions"]["verify"]["target"] == 0.0001
    assert created["decisions"]["identify"]["target"] == 0.01
    changed = client.patch("/collections/strict", json={"target_fpir": 0.1, "threshold": 0.4})
    assert changed.status_code == 200, changed.text
    fixed = {"target": None, "threshold": 0.4}
    for operation in ("verify", "identify"):
        assert changed.json()["decisions"][operation].items() >= fixed.items()
    cleared = client.patch("/collections/strict", json={"threshold": None}).json()
    assert (cleared["threshold"], cleared["target_fmr"]) == (None, 0.0001)
    assert cleared["decisions"]["identify"]["target"] == 0.1
    assert client.get("/collections/strict").json() == cleared
    [listed] = [
        one for one in client.get("/collections").json()["collections"] if one["name"] == "strict"
    ]
    assert listed["target_fmr"] == 0.0001


@pytest.mark.parametrize("changes", [{"target_fmr": 0}, {"target_fpir": 0.6}, {"threshold": 2}])
def test_options_out_of_range_are_refused(client: TestClient, changes: dict[str, float]) -> None:
    assert client.post("/collections", json={"name": "wrong", **changes}).status_code == 422
    assert client.patch("/collections/default", json=changes).status_code == 422
    assert client.get("/collections/wrong").status_code == 404


def test_vocabularies_and_unknown_collections_have_no_options(client: TestClient) -> None:
    answer = client.patch("/collections/nothing", json={"target_fmr": 0.1})
    assert (answer.status_code, answer.json()["code"]) == (404, "collection_not_found")


def test_options_of_a_collection_change_its_decisions(
    client: TestClient, photos: dict[str, bytes]
) -> None:
    """Request, then collection, then settings; the answer states the rate in force."""
    person = enroll(client, photos["obama"], "Barack")["person_id"]
    image = upload(photos["obama2"])

    def verify(**fields: object) -> dict[str, Any]:
        answer = client.post("/verify", files=image, data={"person_id": person, **fields})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def identify(**fields: object) -> dict[str, Any]:
        answer = client.post("/identify", files=image, data=fields)
        body: dict[str, Any] = answer.json()
        return body

    assert (verify()["target_fmr"], identify()["target_fpir"]) == (0.001, 0.01)
    client.patch("/collections/default", json={"threshold": -1})
    fixed = verify()
    assert (fixed["verified"], fixed["threshold"], fixed["target_fmr"]) == (True, -1, None)
    assert identify()["faces"][0]["decision"] == "match"
    client.patch("/collections/default", json={"threshold": 1})
    assert (verify()["verified"], identify()["faces"][0]["decision"]) == (False, "unknown")
    assert verify(target_fmr=0.01)["target_fmr"] == 0.01
    assert identify(target_fpir=0.1)["target_fpir"] == 0.1
    client.patch(
        "/collections/default", json={"threshold": None, "target_fmr": 0.5, "target_fpir": 0.5}
    )
    assert (verify()["target_fmr"], identify()["target_fpir"]) == (0.5, 0.5)
    assert verify()["verified"]
    two = {"image_a": image["image"], "image_b": image["image"]}
    assert client.post("/verify", files=two).json()["target_fmr"] == 0.001
    client.delete("/collections/default")


def test_settings_are_the_default_of_every_request(
    make_client: MakeClient, photos: dict[str, bytes]
) -> None:
    client = make_client(target_fmr=0.02, target_fpir=0.03)
    image = upload(photos["obama"])
    two = {"image_a": image["image"], "image_b": image["image"]}
    assert client.post("/verify", files=two).json()["target_fmr"] == 0.02
    assert client.post("/identify", files=image).json()["target_fpir"] == 0.03
    fixed = make_client(threshold=0.9)
    answer = fixed.post("/verify", files=two).json()
    assert (answer["threshold"], answer["target_fmr"]) == (0.9, None)
    assert fixed.post("/verify", files=two, data={"target_fmr": 0.1}).json()["target_fmr"] == 0.1


def test_a_gallery_shows_the_table_of_the_model(calibrated: TestClient) -> None:
    shown = calibrated.get("/collections/crowd").json()
    table = services_of(calibrated).embedder.manifest.calibration
    assert table is not None
    decisions = shown["decisions"]
    assert decisions["own_calibration"] is None
    assert decisions["calibration"]["source"] == "model"
    assert decisions["calibration"]["population"] == table.population
    curve = decisions["calibration"]["curve"]
    assert curve == {
        "similarity": list(table.similarity),
        "fmr": list(table.fmr),
        "fnmr": list(table.fnmr),
    }
    assert decisions["identify"]["threshold"] > decisions["verify"]["threshold"]
    known = bool(table.fnmr)
    assert (decisions["verify"]["expected_fnmr"] is not None) == known


def test_a_calibrated_gallery_decides_by_its_own_table(
    calibrated: TestClient, photos: dict[str, bytes]
) -> None:
    services = services_of(calibrated)
    before = calibrated.get("/collections/crowd").json()["decisions"]

    def searched() -> float:
        fields = {"collection": "crowd"}
        answer = calibrated.post("/identify", files=upload(photos["obama"]), data=fields)
        threshold: float = answer.json()["threshold"]
        return threshold

    searched_before = searched()
    measured = services.gallery_calibrator.calibrate("crowd")
    assert measured.table.people == PEOPLE
    after = calibrated.get("/collections/crowd").json()["decisions"]
    assert after["calibration"]["curve"] != before["calibration"]["curve"]
    assert after["calibration"]["source"] == "collection"
    assert after["calibration"]["pairs"] == PEOPLE * (PEOPLE - 1) * 2
    own = after["own_calibration"]
    assert (own["in_force"], own["people"], own["photos"]) == (True, PEOPLE, 2 * PEOPLE)
    assert own["fmr_interval"][0] < 0.001 < own["fmr_interval"][1]
    assert own["fnmr_interval"][0] <= after["verify"]["expected_fnmr"] <= own["fnmr_interval"][1]
    # Random directions are less similar than faces, so this gallery needs less.
    assert after["verify"]["threshold"] < before["verify"]["threshold"] - 0.1
    assert searched() < searched_before - 0.05, "a search is relative to the gallery, too"
    default = calibrated.get("/collections/default").json()["decisions"]
    assert default["calibration"]["source"] == "model"

    services.gallery_calibrator.clear("crowd")
    assert calibrated.get("/collections/crowd").json()["decisions"] == before


def test_verify_against_a_person_uses_the_table(
    calibrated: TestClient, photos: dict[str, bytes]
) -> None:
    person = enroll(calibrated, photos["obama"], "Barack", collection="crowd")["person_id"]
    fields = {"person_id": person}
    other = upload(photos["obama2"])
    before = calibrated.post("/verify", files=other, data=fields).json()
    services_of(calibrated).gallery_calibrator.calibrate("crowd")
    after = calibrated.post("/verify", files=other, data=fields).json()
    assert after["similarity"] == before["similarity"]
    assert after["threshold"] < before["threshold"] - 0.1
    assert after["verified"]
    services_of(calibrated).gallery_calibrator.clear("crowd")


def store_table(client: TestClient, name: str, lowest: float, normalisation: str = "") -> None:
    """Stores a made-up table with a gallery: FMR 0.5 at `lowest`, 5e-10 at `lowest` + 0.018."""
    services = services_of(client)
    table = GalleryTable(
        calibration=Calibration(
            population="made up",
            pairs=1,
            similarity=tuple(lowest + 0.002 * knot for knot in range(10)),
            fmr=tuple(0.5 / 10**knot for knot in range(10)),
        ),
        fmr_interval=(None,) * 10,
        fnmr_interval=(),
        people=1,
        photos=1,
        genuine_people=0,
        suspected_pairs=0,
        normalisation=normalisation or normalisation_digest(services.embedder.manifest),
    )
    with services.database.write() as session:
        gallery = lock_collection(session, get_collection(session, name))
        set_calibration(session, gallery, table.model_dump(mode="json"))


@pytest.mark.parametrize(("lowest", "status"), [(0.97, 200), (-0.9, 409)])
def test_the_duplicate_check_uses_the_table(
    calibrated: TestClient, photos: dict[str, bytes], lowest: float, status: int
) -> None:
    calibrated.post("/collections", json={"name": "one"})
    enroll(calibrated, photos["obama"], "Barack", collection="one")
    store_table(calibrated, "one", lowest)
    fields = {"name": "Other", "collection": "one", "dry_run": "true"}
    answer = calibrated.post("/enroll", files=upload(photos["obama2"]), data=fields)
    assert answer.status_code == status, answer.text
    calibrated.delete("/collections/one")


def test_a_table_of_another_normalisation_is_shown_but_not_used(client: TestClient) -> None:
    client.post("/collections", json={"name": "stale"})
    before = client.get("/collections/stale").json()["decisions"]
    store_table(client, "stale", 0.9, "sha256:other")
    shown = client.get("/collections/stale").json()["decisions"]
    own = shown["own_calibration"]
    assert (own["in_force"], own["fmr_interval"]) == (False, None)
    assert {**shown, "own_calibration": None} == before


def test_a_small_gallery_is_not_calibrated(client: TestClient) -> None:
    client.post("/collections", json={"name": "few"})
    with pytest.raises(TooFewPeople, match=r"^0 people with 0 pairs"):
        services_of(client).gallery_calibrator.calibrate("few")
    shown = client.get("/collections/few").json()["decisions"]
    assert shown["own_calibration"] is None


def test_the_default_gallery_always_exists(
    make_client: MakeClient, photos: dict[str, bytes]
) -> None:
    """Its deletion leaves an empty one: no call is answered with 404 because of it."""
    client = make_client(default_vocabulary="")
    person = enroll(client, photos["obama"], "Barack")["person_id"]
    client.patch("/collections/default", json={"target_fpir": 0.5})
    assert client.delete("/collections/default").status_code == 204
    image = upload(photos["obama2"])
    identified = client.post("/identify", files=image).json()
    [face] = identified["faces"]
    assert (face["decision"], face["candidates"]) == ("unknown", [])
    assert (identified["gallery_size"], identified["target_fpir"]) == (0, 0.01)
    assert client.get("/persons").json()["persons"] == []
    [listed] = client.get("/collections").json()["collections"]
    assert (listed["name"], listed["size"]) == ("default", 0)
    assert client.get(f"/persons/{person}").json()["code"] == "person_not_found"
    dry = client.post("/enroll", files=image, data={"name": "Barack", "dry_run": "true"})
    assert dry.status_code == 200
    assert client.delete("/collections/default").status_code == 204, "also without people"
    enroll(client, photos["obama2"], "Barack")
    assert client.post("/identify", files=image).json()["faces"][0]["decision"] == "match"
