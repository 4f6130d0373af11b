"""A bulk import that is run again: its report states what the run did, and the store shows it."""

import json
from collections import Counter
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.faces.bulk import BulkEnroller, ImportOrder, Report
from app.faces.pipeline.selection import FaceChoice
from app.faces.sources import find_photos
from tests.conftest import MakeClient, services_of
from tests.faces.test_bulk import Photos, sima

BEFORE = {"enrolled_before": 2}


@pytest.fixture
def people(tmp_path: Path, photos: Photos) -> Path:
    """Two people with one photo each."""
    root = tmp_path / "people"
    for name, photo in (("Barack", "obama"), ("Joe", "biden")):
        (root / name).mkdir(parents=True)
        (root / name / "1.jpg").write_bytes(photos[photo])
    return root


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    """An installation with an empty store."""
    return make_client(default_vocabulary="")


def run(
    client: TestClient, path: Path, collection: str = "default", face: FaceChoice = "subject"
) -> dict[str, int]:
    """Imports a source in the process of a service; returns the counts of its report."""
    services = services_of(client)
    file = path.parent / "report.jsonl"
    report = Report(file)
    bulk = BulkEnroller(
        services.enroller, services.database, ImportOrder(str(path), collection, face)
    )
    bulk.enroll(find_photos(path), report, 1, lambda _: None)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return Counter(line["code"] or line["outcome"] for line in lines)


def sizes(client: TestClient, collection: str = "default") -> dict[str, int]:
    """The number of photos by name."""
    listed = client.get("/persons", params={"collection": collection}).json()["persons"]
    return {person["name"]: person["photos"] for person in listed}


def test_a_second_installation_enrolls(
    make_client: MakeClient, client: TestClient, people: Path
) -> None:
    assert run(client, people) == {"enrolled": 2}
    assert run(client, people) == BEFORE
    other = make_client(default_vocabulary="")
    assert run(other, people) == {"enrolled": 2}
    assert sizes(client) == sizes(other) == {"Barack": 1, "Joe": 1}


def test_another_collection_enrolls(client: TestClient, people: Path) -> None:
    client.post("/collections", json={"name": "lobby"})
    assert run(client, people) == {"enrolled": 2}
    assert run(client, people, "lobby") == {"enrolled": 2}
    assert sizes(client) == sizes(client, "lobby") == {"Barack": 1, "Joe": 1}


def test_a_run_after_a_deletion_enrolls(client: TestClient, people: Path) -> None:
    run(client, people)
    [barack, joe] = client.get("/persons").json()["persons"]
    client.delete(f"/persons/{barack['person_id']}")
    assert run(client, people) == {"enrolled": 1, "enrolled_before": 1}
    assert sizes(client) == {"Barack": 1, "Joe": 1}
    [photo] = client.get(f"/persons/{joe['person_id']}/photos").json()["photos"]
    client.delete(f"/persons/{joe['person_id']}/photos/{photo['template_id']}")
    client.delete(f"/persons/{joe['person_id']}")
    assert run(client, people) == {"enrolled": 1, "enrolled_before": 1}
    client.delete("/collections/default")
    assert run(client, people) == {"enrolled": 2}


def test_a_replaced_photo_is_enrolled_for_the_same_person(
    client: TestClient, people: Path, photos: Photos
) -> None:
    """Also if the person has another name by now."""
    run(client, people)
    [barack, _] = client.get("/persons").json()["persons"]
    client.patch(f"/persons/{barack['person_id']}", json={"name": "Barack Obama"})
    (people / "Barack" / "1.jpg").write_bytes(photos["obama2"])
    assert run(client, people) == {"enrolled": 1, "enrolled_before": 1}
    assert sizes(client) == {"Barack Obama": 2, "Joe": 1}


def test_another_choice_of_the_face_is_a_new_attempt(
    client: TestClient, people: Path, photos: Photos
) -> None:
    """A face that has been enrolled from the same file is not stored a second time."""
    (people / "Joe" / "1.jpg").write_bytes(photos["pair"])
    assert run(client, people) == {"enrolled": 1, "multiple_faces": 1}
    again = run(client, people, face="largest")
    assert again["enrolled_before"] == 1
    assert sum(again.values()) == 2
    assert again["multiple_faces"] == 0
    assert sizes(client)["Barack"] == 1
    (people / "Joe" / "1.jpg").write_bytes(photos["biden"])
    assert run(client, people, face="only") == {"enrolled": 1, "enrolled_before": 1}
    assert run(client, people, face="only") == BEFORE


def test_a_moved_folder_is_recognised_by_the_content_of_its_files(
    client: TestClient, people: Path
) -> None:
    run(client, people)
    assert run(client, people.rename(people.parent / "moved")) == BEFORE


def test_the_command_creates_the_collection_only_if_asked(tmp_path: Path, people: Path) -> None:
    data = tmp_path / "data"
    arguments = ("import", people, "--collection", "lobby", "--threads", 1)
    refused = sima(data, *arguments, status=1)["error"]
    assert refused == (
        "collection_not_found: there is no gallery named 'lobby'; use --create to create it\n"
    )
    assert not (tmp_path / "people.report.jsonl").exists()
    assert sima(data, *arguments, "--create")["outcomes"] == {"enrolled": 2}
    (tmp_path / "people.report.jsonl").unlink()
    assert sima(data, *arguments, "--create")["outcomes"] == BEFORE
    invalid = sima(data, "import", people, "--collection", "a b", "--create", status=1)["error"]
    assert invalid.startswith("validation_error: the name is invalid; use 1 to 100 characters")
