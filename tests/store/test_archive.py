"""Export of a gallery to an archive, and import of archives."""

import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.crypto.keyring import new_key
from tests.conftest import MakeClient, enroll, services_of, upload
from tests.faces.test_bulk import sima

Photos = dict[str, bytes]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


@pytest.fixture
def gallery(data: Path, make_client: MakeClient, photos: Photos) -> TestClient:
    """A service with two people, one of them with two photos."""
    client = make_client(data, default_vocabulary="")
    body = enroll(client, photos["obama"], "Barack", external_id="44", metadata='{"party": "D"}')
    enroll(client, photos["obama2"], "Barack", person_id=body["person_id"])
    enroll(client, photos["biden"], "Joe", source="door", image_id="42")
    return client


@pytest.mark.parametrize("engine", ["faiss:", "milvus:"])
def test_import_restores_the_exported_gallery(
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
    listed, restored = (
        [one.get(f"/persons/{person['person_id']}/photos").json() for person in before]
        for one in (gallery, client)
    )
    assert listed == restored, "detections, too"
    assert [listed[1]["photos"][0][name] for name in ("source", "image_id")] == ["door", "42"]
    found = client.post("/identify", files=upload(photos["obama3"])).json()["faces"][0]
    again = gallery.post("/identify", files=upload(photos["obama3"])).json()["faces"][0]
    for mine, theirs in zip(found["candidates"], again["candidates"], strict=True):
        assert mine["template_id"] == theirs["template_id"]
        assert mine["similarity"] == pytest.approx(theirs["similarity"], abs=1e-5)
    if engine == "milvus:":  # which the service has for itself in this form
        assert "in use" in sima(other, "index", "check", status=1, env=keys)["error"]
    twice = sima(other, "import", file, "--signer", made["signer"], status=1, env=keys)
    assert "collection_exists" in twice["error"]


def test_import_beside_the_exported_gallery(
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


def test_an_archive_with_a_shared_external_id_is_refused(
    tmp_path: Path, data: Path, gallery: TestClient
) -> None:
    """Galleries of versions that did not check external ids may contain duplicates."""
    with services_of(gallery).database.write() as session:
        session.execute(text("DROP INDEX uq_entries_external_id"))
        session.execute(text("UPDATE entries SET external_id = '44'"))
    file = tmp_path / "gallery.sima"
    sima(data, "export", "default", file)
    error = sima(data, "import", file, "--collection", "copy", status=1)["error"]
    assert error.startswith("external_id_taken:")
    people = gallery.get("/persons").json()["persons"]
    assert all(person["person_id"] in error for person in people)
    assert gallery.get("/collections/copy").status_code == 404


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


def test_an_encrypted_archive_needs_the_key(
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
