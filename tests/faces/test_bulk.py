"""Bulk enrollment from folders, CSV files and CompreFace exports; repeated runs."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from app.errors import DifferentPerson, InvalidRequest
from app.faces.bulk import BulkEnroller, ImportOrder, Report
from app.faces.enrollment import Enroller, Enrollment, EnrollOrder
from app.faces.pipeline.types import Face
from app.faces.sources import SourcePhoto, find_photos
from app.settings import PROJECT
from app.store.db.database import Database
from app.store.db.tables import now
from app.store.people import Person
from app.store.templates import Template
from app.timings import Timings
from tests.conftest import MakeClient, upload

Photos = dict[str, bytes]


def sima(
    data: Path, *words: object, status: int = 0, env: dict[str, str] | None = None
) -> dict[str, Any]:
    """Runs a command on a data folder; returns its JSON, or its standard error as `error`."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *map(str, words), "--json"],
        env={
            "SIMA_DATA_DIR": str(data),
            "SIMA_DEFAULT_VOCABULARY": "",
            "PYTHONPATH": str(PROJECT),
            **(env or {}),
        },
        cwd=data.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == status, done.stderr
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


@pytest.fixture
def people(tmp_path: Path, photos: Photos) -> Path:
    """Two people, one with two photos, and photos that cannot be enrolled."""
    root = tmp_path / "people"
    for name, content in (
        ("Barack Obama/1.jpg", photos["obama"]),
        ("Barack Obama/2.jpg", photos["obama2"]),
        ("Joe Biden/1.jpg", photos["biden"]),
        ("Nobody/cup.jpg", photos["coffee"]),
        ("Somebody/broken.jpg", photos["biden"][:3000]),
        ("Impostor/1.jpg", photos["obama"]),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "Joe Biden" / "notes.txt").write_text("no photo")
    return root


def test_import_of_a_folder_per_person(
    data: Path, people: Path, make_client: MakeClient, photos: Photos
) -> None:
    report = data.parent / "report.jsonl"
    options = ("import", people, "--report", report, "--threads", 1)
    done = sima(data, *options, status=1)
    assert done["photos"] == 6
    assert done["outcomes"] == {
        "enrolled": 3,
        "no_face": 1,
        "invalid_image": 1,
        "already_enrolled": 1,
    }
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    refused = next(line for line in lines if line["photo"] == "Nobody/cup.jpg")
    assert refused["outcome"] == "refused"
    assert refused["reason"]
    client = make_client(data, default_vocabulary="")
    listed = client.get("/persons").json()["persons"]
    assert {(p["name"], p["photos"]) for p in listed} == {("Barack Obama", 2), ("Joe Biden", 1)}
    again = sima(data, *options, status=1)["outcomes"]
    assert again == {
        "enrolled_before": 3,
        "no_face": 1,
        "invalid_image": 1,
        "already_enrolled": 1,
    }, "refused photos are tried again, enrolled ones are not"
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 6, "the report describes the latest run"
    listed_again = client.get("/persons").json()["persons"]
    assert listed_again == listed, "nothing is done twice"
    [template] = client.get(f"/persons/{listed[1]['person_id']}/photos").json()["photos"]
    [biden] = [line for line in lines if line["photo"] == "Joe Biden/1.jpg"]
    assert biden["outcome"] == "enrolled_before"
    assert (biden["person_id"], biden["template_id"]) == (
        listed[1]["person_id"],
        template["template_id"],
    )


def test_a_killed_run_is_repeated_without_duplicates(
    data: Path, people: Path, make_client: MakeClient
) -> None:
    """The report of the killed run is incomplete and unused: the database knows what was stored."""
    report = data.parent / "report.jsonl"
    options = ("import", people, "--report", report, "--threads", 1)
    sima(data, *options, status=1)
    lines = report.read_text(encoding="utf-8").splitlines()
    report.write_text("\n".join(lines[:1]) + '\n{"photo": "Barack Ob', encoding="utf-8")
    again = sima(data, *options, status=1)
    assert again["outcomes"]["enrolled_before"] == 3
    client = make_client(data, default_vocabulary="")
    listed = client.get("/persons").json()["persons"]
    assert {(p["name"], p["photos"]) for p in listed} == {("Barack Obama", 2), ("Joe Biden", 1)}


def test_a_photo_of_somebody_else_does_not_stop_an_import(
    data: Path, tmp_path: Path, photos: Photos, make_client: MakeClient
) -> None:
    folder = tmp_path / "people" / "Barack Obama"
    folder.mkdir(parents=True)
    for number, photo in enumerate(("obama", "biden", "obama2", "obama3"), start=1):
        (folder / f"{number}.jpg").write_bytes(photos[photo])
    report = tmp_path / "report.jsonl"
    done = sima(data, "import", folder.parent, "--report", report, status=1)
    assert done["outcomes"] == {"enrolled": 3, "different_person": 1}
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert {line["photo"]: line["outcome"] for line in lines} == {
        "Barack Obama/1.jpg": "enrolled",
        "Barack Obama/2.jpg": "refused",
        "Barack Obama/3.jpg": "enrolled",
        "Barack Obama/4.jpg": "enrolled",
    }
    client = make_client(data, default_vocabulary="")
    assert [p["photos"] for p in client.get("/persons").json()["persons"]] == [3]


def test_import_of_a_csv_file(
    data: Path, people: Path, photos: Photos, make_client: MakeClient
) -> None:
    table = people / "people.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["name", "image", "external_id", "metadata"])
        rows.writerow(["باراک اوباما", "Barack Obama/1.jpg", "44", '{"party": "D"}'])
        rows.writerow(["باراک اوباما", "Barack Obama/2.jpg", "44", ""])
        rows.writerow(["Joe Biden", "Joe Biden/none.jpg", "46", ""])
    done = sima(data, "import", table, status=1)
    assert done["outcomes"] == {"enrolled": 2, "no_file": 1}
    client = make_client(data, default_vocabulary="")
    [person] = client.get("/persons", params={"external_id": "44"}).json()["persons"]
    assert (person["name"], person["photos"]) == ("باراک اوباما", 2)
    assert person["metadata"] == {"party": "D"}
    (people / "Joe Biden" / "1.jpg").rename(people / "Joe Biden" / "none.jpg")
    assert sima(data, "import", table)["outcomes"] == {"enrolled": 1, "enrolled_before": 2}, (
        "a failed photo is tried again"
    )
    with table.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(
            [["name", "image", "external_id"], ["Eileen", "Eileen.jpg", "44"]]
        )
    (people / "Eileen.jpg").write_bytes(photos["astronaut"])
    assert sima(data, "import", table, status=1)["outcomes"] == {"different_person": 1}, (
        "to this source, 44 is the person whom it enrolled before"
    )
    taken = sima(data, "import", table, "--import-id", "second", status=1)
    assert taken["outcomes"] == {"external_id_taken": 1}


def test_import_of_a_compreface_export(
    tmp_path: Path, data: Path, photos: Photos, make_client: MakeClient
) -> None:
    root = tmp_path / "export"
    (root / "images").mkdir(parents=True)
    faces = [
        {"image_id": "6b135f5b-a365", "subject": "Barack"},
        {"image_id": "7c", "subject": "Joe"},
    ]
    page = {"faces": faces, "page_number": 0, "page_size": 20, "total_pages": 1}
    (root / "faces.json").write_text(json.dumps(page))
    (root / "images" / "6b135f5b-a365.jpg").write_bytes(photos["obama"])
    (root / "images" / "7c.jpg").write_bytes(photos["biden"])
    assert sima(data, "import", root, "--collection", "default")["outcomes"] == {"enrolled": 2}
    client = make_client(data, default_vocabulary="")
    found = client.post("/identify", files=upload(photos["biden"])).json()["faces"][0]
    assert found["person"]["name"] == "Joe"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "name,photo\n", "columns"),
        ("a.csv", "name,image\nJoe,a.jpg,b\n", "line 2"),
        ("a.csv", "name,image,metadata\nJoe,a.jpg,[1]\n", "line 2"),
        ("a.csv", 'name,image,metadata\nJoe,a.jpg,{"a": NaN}\n', "line 2"),
        ("faces.json", '{"faces": [{"image_id": "../../etc/passwd", "subject": "x"}]}', "listing"),
        ("faces.json", "{", "listing"),
        ("readme.txt", "", "no photos"),
    ],
)
def test_an_invalid_source_is_refused_before_enrollment(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidRequest, match=words):
        find_photos(tmp_path / name if name.endswith(".csv") else tmp_path)


class FakeEnroller:
    """Accepts the photos of a person in one order only."""

    def __init__(self, accepted: list[bytes]) -> None:
        self._accepted = accepted
        self.enrolled: list[bytes] = []

    def enroll(self, image: bytes, _order: EnrollOrder, _timings: Timings) -> Enrollment:
        expected = self._accepted[len(self.enrolled)]
        if image != expected:
            raise DifferentPerson("p", "P", 0.1, 0.5)
        self.enrolled.append(image)
        person = Person(1, "p", "P", None, {}, "default", len(self.enrolled), now())
        return Enrollment("P", cast(Face, None), person, Template(1, "t", 0.5, now()))


def test_a_mismatch_is_tried_again_after_the_other_photos(
    tmp_path: Path, database: Database
) -> None:
    """The second photo matches only once the third was added."""
    photos = []
    for name in ("1", "2", "3"):
        (tmp_path / name).write_bytes(name.encode())
        photos.append(SourcePhoto(name, "P", "P", tmp_path / name))
    fake = FakeEnroller([b"1", b"3", b"2"])
    report = Report(tmp_path / "report.jsonl")
    done: list[int] = []
    order = ImportOrder("source", "people", "subject")
    bulk = BulkEnroller(cast(Enroller, fake), database, order)
    bulk.enroll(photos, report, 1, done.append)

    assert fake.enrolled == [b"1", b"3", b"2"]
    assert {outcome.outcome for outcome in report.outcomes} == {"enrolled"}
    assert sum(done) == 3
    assert len((tmp_path / "report.jsonl").read_text().splitlines()) == 3, "one line per photo"
