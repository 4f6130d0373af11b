"""A database of every earlier schema, with data in it, is upgraded by the start of the service.

All that was stored is served afterwards over HTTP: people are found by their faces, words by their
spelling, receipts by their ids.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from alembic.script import ScriptDirectory
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import func, select

from app.commands.setup import prepare_data
from app.crypto.keyring import Keyring, new_key, read_keys
from app.inference.manifest import read_manifest
from app.main import create_app
from app.resources import MIGRATIONS
from app.settings import Settings
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import EntryRow
from harness.servers import running
from tests.conftest import MakeClient, encode, make_settings, upload
from tests.models import SHIPPED
from tests.store.receipts import digest_of_answer
from tests.upgrades.earlier_rows import (
    COMPLETED_RECEIPT,
    CREATED,
    CROP,
    IDEMPOTENCY_KEY,
    METADATA,
    PHOTO,
    RECEIPT,
    EarlierData,
    count_rows,
    write_earlier_rows,
)

KEY = new_key()
_SETTINGS = {"encryption_keys": KEY, "default_vocabulary": ""}
PEOPLE = ("obama", "obama2", "biden", "astronaut")


def _revisions() -> list[str]:
    scripts = ScriptDirectory(str(MIGRATIONS))
    return sorted(script.revision for script in scripts.walk_revisions())


@pytest.fixture(scope="module")
def probe(photos: dict[str, bytes]) -> bytes:
    """A photo that no database contains, of the person `barack`, small to be examined fast."""
    image = Image.open(io.BytesIO(photos["obama3"])).convert("RGB")
    image.thumbnail((400, 400))
    return encode(image, quality=92)


@pytest.fixture(scope="module")
def data(make_client: MakeClient, photos: dict[str, bytes]) -> EarlierData:
    """Embeddings of the photos by the active model, which all revisions store as they are."""
    client = make_client(default_vocabulary="")
    embeddings = {}
    for name in PEOPLE:
        [face] = client.post("/embed", files=upload(photos[name])).json()["faces"]
        embeddings[name] = face["embedding"]
    return EarlierData(read_manifest(SHIPPED).space, embeddings, Keyring(read_keys(KEY, None)))


@pytest.mark.parametrize("revision", _revisions())
def test_everything_that_a_revision_stored_is_served_after_the_upgrade(
    tmp_path: Path,
    empty: Database,
    empty_url: str,
    revision: str,
    data: EarlierData,
    probe: bytes,
) -> None:
    written = _write(empty, revision, data)
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "collection-1.faiss").write_bytes(b"SIMA of an earlier format" * 9)
    with _service(make_settings(tmp_path, database_url=empty_url, **_SETTINGS)) as client:
        with empty.read() as session:
            kept = {table: count_rows(session.connection(), table) for table in written}
            plain = select(func.count(EntryRow.row_id)).where(
                EntryRow.public_id.is_not(None), EntryRow.name_index.is_(None)
            )
            assert session.scalar(plain) == 0, "the start encrypts the names of all people"
        assert kept == written
        _require_people(client)
        _require_faces(client, probe)
        _require_collections(client, revision)
        _require_words(client, revision)
        _require_rejections_and_visitors(client, written)
        if revision >= "0005":
            _require_photo_and_receipts(client, revision)
        _require_changes(client, revision, probe)


@pytest.mark.slow
def test_sima_serve_upgrades_the_oldest_schema(
    tmp_path: Path, data: EarlierData, probe: bytes
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'sima.db'}")
    _write(database, "0001", data)
    database.close()
    with running(tmp_path) as server:
        answer = httpx2.post(f"{server.url}/identify", files=upload(probe))
    assert answer.json()["faces"][0]["person"]["person_id"] == "barack"


def _write(database: Database, revision: str, data: EarlierData) -> dict[str, int]:
    upgrade(database, revision)
    with database.write() as session:
        return write_earlier_rows(session.connection(), revision, data)


@contextmanager
def _service(settings: Settings) -> Iterator[TestClient]:
    """The service after what `sima serve` does before it listens."""
    prepare_data(settings)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def _require_people(client: TestClient) -> None:
    [barack, joe] = client.get("/persons").json()["persons"]
    assert barack == {
        "person_id": "barack",
        "name": "Barack",
        "external_id": "44",
        "metadata": METADATA,
        "collection": "default",
        "photos": 2,
        "created_at": CREATED.isoformat().replace("+00:00", "Z"),
    }
    assert (joe["name"], joe["external_id"], joe["photos"]) == ("Joe “Amtrak” Biden", None, 1)
    found = client.get("/persons", params={"collection": "lobby", "external_id": "44"}).json()
    assert [(p["name"], p["metadata"]) for p in found["persons"]] == [("آدا", {"badge": "A-1"})]
    named = client.get("/persons", params={"name": "Barack"}).json()["persons"]
    assert named == [barack]
    listed = client.get("/persons/barack/photos").json()["photos"]
    assert [photo["template_id"] for photo in listed] == ["t1", "t2"]


def _require_faces(client: TestClient, probe: bytes) -> None:
    [face] = client.post("/identify", files=upload(probe)).json()["faces"]
    assert (face["decision"], face["person"]["person_id"]) == ("match", "barack")
    assert {one["person_id"] for one in face["candidates"]} == {"barack", "joe"}
    answer = client.post("/verify", files=upload(probe), data={"person_id": "barack"}).json()
    assert answer["verified"]
    answer = client.post("/verify", files=upload(probe), data={"person_id": "ada"}).json()
    assert not answer["verified"], "the template is encrypted from revision 0005 on"


def _require_collections(client: TestClient, revision: str) -> None:
    listed = {one["name"]: one for one in client.get("/collections").json()["collections"]}
    assert {name: one["size"] for name, one in listed.items()} == {
        "default": 2,
        "lobby": 1,
        "tiny": 3,
    }
    gallery = client.get("/collections/default").json()
    assert gallery["target_fmr"] == (0.01 if revision >= "0010" else None)
    own = gallery["decisions"]["own_calibration"]
    assert (own and (own["people"], own["in_force"])) == (
        (150, False) if revision >= "0010" else None
    )
    shadow = {"model": "an-earlier-model", "missing": 1} if revision >= "0006" else None
    assert gallery["shadow"] == shadow


def _require_words(client: TestClient, revision: str) -> None:
    query = "vocabulary=tiny&k=1"
    [nearest] = client.get(f"/words/king/nearest?{query}").json()["neighbors"]
    assert (nearest["word"], nearest["rank"]) == ("queen", 2)
    status = client.get("/words/KING", params={"vocabulary": "tiny"}).status_code
    assert status == (200 if revision >= "0002" else 404), "the option `unknown` of the vocabulary"
    listed = client.get("/zero-shot/projections").json()["projections"]
    assert [one["name"] for one in listed] == (["crowns"] if revision >= "0003" else [])


def _require_rejections_and_visitors(client: TestClient, written: dict[str, int]) -> None:
    found = client.get("/persons/ada/not-this").json()["rejections"]
    assert [one["rejection_id"] for one in found] == ["r1"][: written.get("rejections", 0)]
    found = client.get("/collections/lobby/visitors").json()["visitors"]
    assert [one["visitor_id"] for one in found] == ["v1"][: written.get("visitors", 0)]


def _require_photo_and_receipts(client: TestClient, revision: str) -> None:
    assert client.get("/persons/ada/photos/t4/image").content == PHOTO
    for name in (RECEIPT, COMPLETED_RECEIPT):
        receipt = client.get(f"/erasures/{name}").json()
        assert (receipt["collection"], receipt["templates"], receipt["photos"]) == ("default", 3, 1)
        assert receipt["subject"] == hashlib.sha256(b"somebody").hexdigest()
        assert receipt["crops"] == (1 if revision >= "0024" else 0)
        assert receipt["erased_at"] == CREATED.isoformat().replace("+00:00", "Z")
        assert receipt["digest"] == digest_of_answer(receipt)
    crop = client.get("/persons/ada/photos/t4/crop")
    assert (crop.status_code, crop.content == CROP) == (
        (200, True) if revision >= "0024" else (404, False)
    )
    if revision >= "0013":
        assert receipt["completed_at"].startswith("2026-01-02T03:04:35")


def _require_changes(client: TestClient, revision: str, probe: bytes) -> None:
    """Ids, keys and external ids of the earlier rows are respected by what is written now."""
    refused = client.post("/enroll", files=upload(probe), data={"name": "Somebody"})
    assert (refused.status_code, refused.json()["person"]["person_id"]) == (409, "barack")
    refused = client.patch("/persons/joe", json={"external_id": "44"})
    assert refused.json()["code"] == "external_id_taken"
    fields = {"name": "New", "collection": "lobby"}
    if revision >= "0004":
        headers = {"Idempotency-Key": IDEMPOTENCY_KEY}
        refused = client.post("/enroll", files=upload(probe), data=fields, headers=headers)
        assert refused.json()["code"] == "idempotency_key_reused"
    added = client.post("/enroll", files=upload(probe), data=fields)
    assert added.status_code == 201, added.text
    deleted = client.delete("/persons/barack")
    assert deleted.status_code == 204
    receipt = client.get(f"/erasures/{deleted.headers['Sima-Erasure']}").json()
    assert receipt["templates"] == (3 if revision >= "0006" else 2), "that of the shadow, too"
    [face] = client.post("/identify", files=upload(probe)).json()["faces"]
    assert [one["person_id"] for one in face["candidates"]] == ["joe"]
