"""Many people at once: folders, CSV, CompreFace, archives; stopped runs go on."""

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.crypto.keyring import new_key
from app.errors import InvalidRequest
from app.faces.sources import find_photos
from app.settings import PROJECT
from tests.conftest import MakeClient, enroll, upload

Photos = dict[str, bytes]


def sima(
    data: Path, *words: object, status: int = 0, env: dict[str, str] | None = None
) -> dict[str, Any]:
    """Run the command line on a data folder; its JSON, or its words on standard error."""
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
    """Two people, one with two photos, and what cannot be enrolled."""
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


def test_a_folder_a_person(
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
    assert sima(data, *options, status=1)["outcomes"] == done["outcomes"]
    assert len(report.read_text(encoding="utf-8").splitlines()) == 6, "nothing is done twice"


def test_a_run_that_was_killed_before_its_line_makes_no_twin(
    data: Path, people: Path, make_client: MakeClient
) -> None:
    report = data.parent / "report.jsonl"
    options = ("import", people, "--report", report, "--threads", 1)
    sima(data, *options, status=1)
    lines = report.read_text(encoding="utf-8").splitlines()
    report.write_text("\n".join(lines[:1]) + '\n{"photo": "Barack Ob', encoding="utf-8")
    again = sima(data, *options, status=1)
    assert again["outcomes"]["enrolled"] == 3
    client = make_client(data, default_vocabulary="")
    listed = client.get("/persons").json()["persons"]
    assert {(p["name"], p["photos"]) for p in listed} == {("Barack Obama", 2), ("Joe Biden", 1)}


def test_a_csv(data: Path, people: Path, make_client: MakeClient) -> None:
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
    assert sima(data, "import", table)["outcomes"] == {"enrolled": 3}, "what failed is tried again"


def test_an_export_of_compreface(
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
def test_a_wrong_source_is_refused_whole(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidRequest, match=words):
        find_photos(tmp_path / name if name.endswith(".csv") else tmp_path)


@pytest.fixture
def gallery(data: Path, make_client: MakeClient, photos: Photos) -> TestClient:
    """A service with two people, one of them with two photos."""
    client = make_client(data, default_vocabulary="")
    body = enroll(client, photos["obama"], "Barack", external_id="44", metadata='{"party": "D"}')
    enroll(client, photos["obama2"], "Barack", person_id=body["person_id"])
    enroll(client, photos["biden"], "Joe")
    return client


@pytest.mark.parametrize("engine", ["faiss:", "milvus:"])
def test_an_archive_moves_a_gallery(
    tmp_path: Path,
    data: Path,
    gallery: TestClient,
    make_client: MakeClient,
    photos: Photos,
    engine: str,
) -> None:
    file, other = tmp_path / "gallery.sima", tmp_path / "other"
    made = sima(data, "export", "default", file)
    assert (made["people"], made["templates"], made["sealed"]) == (2, 3, False)
    stranger = sima(other, "import", file, status=1)
    assert made["signer"] in stranger["error"]
    keys = {"SIMA_ENCRYPTION_KEYS": new_key(), "SIMA_INDEX_URL": engine}
    done = sima(other, "import", file, "--signer", made["signer"], env=keys)
    assert done == {"collection": "default", "people": 2, "templates": 3}
    client = make_client(
        other,
        encryption_keys=keys["SIMA_ENCRYPTION_KEYS"],
        default_vocabulary="",
        index_url=engine,
    )
    before, after = (one.get("/persons").json()["persons"] for one in (gallery, client))
    assert before == after, "ids, names, metadata, times"
    found = client.post("/identify", files=upload(photos["obama3"])).json()["faces"][0]
    again = gallery.post("/identify", files=upload(photos["obama3"])).json()["faces"][0]
    for mine, theirs in zip(found["candidates"], again["candidates"], strict=True):
        assert mine["template_id"] == theirs["template_id"]
        assert mine["similarity"] == pytest.approx(theirs["similarity"], abs=1e-5)
    if engine == "milvus:":  # which the service has for itself in this form
        assert "in use" in sima(other, "index", "check", status=1, env=keys)["error"]
    twice = sima(other, "import", file, "--signer", made["signer"], status=1, env=keys)
    assert "collection_exists" in twice["error"]


def test_an_archive_beside_its_original(
    tmp_path: Path, data: Path, gallery: TestClient, photos: Photos
) -> None:
    file = tmp_path / "gallery.sima"
    sima(data, "export", "default", file)
    sima(data, "import", file, "--collection", "copy")
    listed = gallery.get("/persons", params={"collection": "copy"}).json()["persons"]
    ids = {person["person_id"] for person in gallery.get("/persons").json()["persons"]}
    assert len(listed) == 2
    assert not ids & {person["person_id"] for person in listed}
    found = gallery.post("/identify", files=upload(photos["biden"]), data={"collection": "copy"})
    assert found.json()["faces"][0]["person"]["name"] == "Joe"


def test_a_changed_archive_is_refused(tmp_path: Path, data: Path, gallery: TestClient) -> None:
    file = tmp_path / "gallery.sima"
    sima(data, "export", "default", file)
    whole = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def write(**changes: bytes) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, part in {**parts, **changes}.items():
                archive.writestr(name, part)

    people = parts["people.jsonl"].replace(b"Joe", b"Eve")
    manifest = parts["manifest.json"].replace(b'"people": 2', b'"people": 3')
    for change in ({"people.jsonl": people}, {"manifest.json": manifest}, {"signature": b"0" * 64}):
        write(**change)
        assert "changed" in sima(data, "import", file, "--collection", "x", status=1)["error"]
    for broken in (whole[:-200], b"", b"PK"):
        file.write_bytes(broken)
        assert "archive" in sima(data, "import", file, "--collection", "x", status=1)["error"]
    assert gallery.get("/collections/x").status_code == 404


def test_a_sealed_archive_tells_nobody_without_the_key(
    tmp_path: Path, make_client: MakeClient, photos: Photos
) -> None:
    data, key, file = tmp_path / "sealed", new_key(), tmp_path / "gallery.sima"
    client = make_client(data, encryption_keys=key, default_vocabulary="")
    enroll(client, photos["obama"], "Barack Hussein")
    assert sima(data, "export", "default", file, env={"SIMA_ENCRYPTION_KEYS": key})["sealed"]
    with zipfile.ZipFile(file) as archive:
        assert all(b"Hussein" not in archive.read(name) for name in archive.namelist())
    refused = sima(data, "import", file, "--collection", "copy", status=1)
    assert "not in the encryption keys" in refused["error"]
    done = sima(data, "import", file, "--collection", "copy", env={"SIMA_ENCRYPTION_KEYS": key})
    assert done["people"] == 1
