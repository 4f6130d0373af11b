"""Crops of enrolled faces: stored only on request, encrypted, and deleted with their template."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select, text, update

from app.crypto.keyring import new_key
from app.errors import InvalidSetting
from app.store.db.image_tables import CropRow
from app.store.db.tables import now
from app.timings import Timings
from app.wiring.services import build_services
from tests.conftest import MakeClient, enroll, make_settings, services_of
from tests.store.data_folder import files_with, run_housekeeping
from tests.store.db.test_rotation import rotate

Photos = dict[str, bytes]
NOTHING = {"default_vocabulary": ""}


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings of a service with crops, on SQLite or PostgreSQL."""
    changes = {"encryption_keys": new_key(), "store_crops": True, **NOTHING}
    if request.param == "postgresql":
        changes["database_url"] = request.getfixturevalue("postgres")
    return changes


def crop_url(body: dict[str, Any]) -> str:
    """The path of the crop that an enrollment stored."""
    return f"/persons/{body['person_id']}/photos/{body['template_id']}/crop"


def stored_crops(client: TestClient) -> list[bytes]:
    """The ciphertexts in the database."""
    with services_of(client).database.read() as session:
        return list(session.scalars(select(CropRow.ciphertext)))


def test_the_crop_of_an_enrolled_face_is_returned_and_erased_with_a_receipt(
    make_client: MakeClient, tmp_path: Path, storage: dict[str, Any], photos: Photos
) -> None:
    client = make_client(tmp_path / "data", **storage)
    body = enroll(client, photos["obama"], "Barack")
    answer = client.get(crop_url(body))
    assert answer.headers["content-type"] == "image/jpeg"
    crop = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), dtype=float)
    assert crop.shape == (112, 112, 3)
    [face] = services_of(client).pipeline.analyze(photos["obama"], Timings()).faces
    assert np.abs(crop - face.crop).mean() < 4, "it is the face, as the network sees it"
    [stored] = stored_crops(client)
    assert answer.content[200:300] not in stored
    [photo] = client.get(f"/persons/{body['person_id']}/photos").json()["photos"]
    assert photo["crop"]
    listed = client.get("/persons").json()
    assert listed["crops"] == {body["person_id"]: body["template_id"]}
    deleted = client.delete(f"/persons/{body['person_id']}")
    receipt = client.get(f"/erasures/{deleted.headers['Sima-Erasure']}").json()
    assert (receipt["templates"], receipt["photos"], receipt["crops"]) == (1, 0, 1)
    assert stored_crops(client) == []
    assert client.get(crop_url(body)).status_code == 404


def test_a_removed_template_and_a_collection_lose_their_crops(
    make_client: MakeClient, storage: dict[str, Any], tmp_path: Path, photos: Photos
) -> None:
    client = make_client(tmp_path / "data", **storage, store_photos=True)
    client.post("/collections", json={"name": "lobby"})
    body = enroll(client, photos["obama"], "Barack", collection="lobby")
    more = enroll(
        client, photos["obama3"], "Barack", collection="lobby", person_id=body["person_id"]
    )
    enroll(client, photos["biden"], "Joe", collection="lobby")
    removed = client.delete(crop_url(more).removesuffix("/crop"))
    receipt = client.get(f"/erasures/{removed.headers['Sima-Erasure']}").json()
    assert (receipt["templates"], receipt["photos"], receipt["crops"]) == (1, 1, 1)
    deleted = client.delete("/collections/lobby")
    receipt = client.get(f"/erasures/{deleted.headers['Sima-Erasure']}").json()
    assert (receipt["templates"], receipt["photos"], receipt["crops"]) == (2, 2, 2)
    assert stored_crops(client) == []


def test_a_moved_template_takes_its_crop_along(
    make_client: MakeClient, storage: dict[str, Any], tmp_path: Path, photos: Photos
) -> None:
    client = make_client(tmp_path / "data", **storage)
    body = enroll(client, photos["obama"], "Barack")
    before = client.get(crop_url(body)).content
    path = crop_url(body).removesuffix("/crop")
    moved = client.patch(path, json={"name": "Somebody"}).json()["person"]
    assert client.get(crop_url(body)).json()["code"] == "photo_not_found"
    assert client.get(crop_url({**body, "person_id": moved["person_id"]})).content == before
    crops = client.get("/persons").json()["crops"]
    assert crops == {moved["person_id"]: body["template_id"]}


def test_the_bytes_of_an_erased_crop_are_purged(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    folder = tmp_path / "data"
    client = make_client(folder, encryption_keys=new_key(), store_crops=True, **NOTHING)
    body = enroll(client, photos["obama"], "Barack")
    [stored] = stored_crops(client)
    assert files_with(folder, stored[100:200]) != []
    client.delete(f"/persons/{body['person_id']}")
    run_housekeeping(client)
    assert files_with(folder, stored[100:200]) == []


def test_an_expired_crop_is_not_shown_and_then_deleted(
    make_client: MakeClient, tmp_path: Path, storage: dict[str, Any], photos: Photos
) -> None:
    client = make_client(tmp_path / "data", **storage)
    body = enroll(client, photos["obama"], "Barack")
    database = services_of(client).database
    with database.read() as session:
        [expires_at] = session.scalars(select(CropRow.expires_at))
    assert timedelta(days=364) < expires_at - now() < timedelta(days=365)
    with database.write() as session:
        session.execute(update(CropRow).values(expires_at=now() - timedelta(seconds=1)))
    assert client.get(crop_url(body)).json()["code"] == "photo_not_found", "before housekeeping"
    assert client.get("/persons").json()["crops"] == {}
    [photo] = client.get(f"/persons/{body['person_id']}/photos").json()["photos"]
    assert not photo["crop"]
    run_housekeeping(client)
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM crops")) == 0
    assert client.get(f"/persons/{body['person_id']}").status_code == 200, "the template is kept"


def test_crops_are_not_stored_by_default(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    client = make_client(tmp_path / "data", encryption_keys=new_key(), store_photos=True, **NOTHING)
    body = enroll(client, photos["obama"], "Barack")
    assert client.get(crop_url(body)).json()["code"] == "photo_not_found"
    assert client.get("/persons").json()["crops"] == {}


def test_keeping_crops_needs_encryption_keys(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="SIMA_STORE_CROPS: crops are stored only encrypted"):
        build_services(make_settings(tmp_path, store_crops=True))


def test_crops_are_re_encrypted_with_the_newest_key(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    folder, old, new = tmp_path / "data", new_key(), new_key()
    client = make_client(folder, encryption_keys=old, store_crops=True, **NOTHING)
    body = enroll(client, photos["obama"], "Barack")
    crop = client.get(crop_url(body)).content
    services_of(client).close()
    assert rotate(folder, f"{new},{old}")["crops"] == 1
    again = make_client(folder, encryption_keys=new, store_crops=True, **NOTHING)
    assert again.get(crop_url(body)).content == crop


def test_a_crop_is_for_keys_that_may_receive_photos_of_the_collection(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    admin = {"X-API-Key": "the-admin-key-1"}
    client = make_client(
        tmp_path / "data",
        encryption_keys=new_key(),
        store_crops=True,
        api_keys={admin["X-API-Key"]: "write"},
        **NOTHING,
    )
    client.headers.update(admin)
    client.post("/collections", json={"name": "lobby"}).raise_for_status()
    body = enroll(client, photos["obama"], "Barack")

    def status_with(**fields: object) -> int:
        new = {"name": "reader", "role": "read", **fields}
        key = client.post("/api-keys", json=new).json()["key"]
        return client.get(crop_url(body), headers={"X-API-Key": key}).status_code

    assert status_with() == 403
    assert status_with(embeddings=True) == 200
    assert status_with(embeddings=True, collections=["lobby"]) in (403, 404)
