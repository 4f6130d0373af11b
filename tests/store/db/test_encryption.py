"""Encryption at rest, keys that change, photos that are kept for a time, erasure that shows."""

import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text, update

from app.crypto.keyring import new_key
from app.errors import DecryptionFailed, InvalidSetting
from app.store.db.tables import PhotoRow, now
from app.wiring.services import build_services
from tests.conftest import MakeClient, enroll, make_settings, services_of, upload


def files_with(folder: Path, needle: bytes) -> list[str]:
    """Every file below the folder whose bytes contain `needle`."""
    found = [p for p in folder.rglob("*") if p.is_file() and needle in p.read_bytes()]
    return sorted(p.name for p in found)


def embedding(client: TestClient, photo: bytes) -> bytes:
    """The template's bytes, as a store without keys would keep them."""
    answer = client.post("/embed", files=upload(photo)).json()
    return np.array(answer["faces"][0]["embedding"], dtype="<f4").tobytes()


def tidy(client: TestClient) -> None:
    """One round of housekeeping."""
    services_of(client).housekeeper.run()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


def write_snapshot(client: TestClient) -> None:
    """Bring the index level and close it, as a shutdown does."""
    services_of(client).readiness.catch_up()
    services_of(client).index_sync.close()


def snapshot(folder: Path) -> Path:
    """The index snapshot of the first collection."""
    return folder / "index" / "collection-1.faiss"


def test_without_keys_the_bytes_are_there(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    """What the other tests look for can be found at all."""
    client = make_client(folder, default_vocabulary="")
    enroll(client, photos["obama"], "Barack", metadata='{"note": "blue-folder"}')
    services_of(client).close()
    assert files_with(folder, embedding(client, photos["obama"])) != []
    assert files_with(folder, b"blue-folder") != []


def test_with_a_key_nothing_readable_is_kept(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    changes = {"encryption_keys": new_key(), "store_photos": True, "default_vocabulary": ""}
    client = make_client(folder, **changes)
    body = enroll(client, photos["obama"], "Barack", metadata='{"note": "blue-folder"}')
    person = client.get(f"/persons/{body['person_id']}").json()
    assert person["metadata"] == {"note": "blue-folder"}
    place = f"/persons/{body['person_id']}/photos/{body['template_id']}/image"
    assert client.get(place).content == photos["obama"]
    vector = embedding(client, photos["obama"])
    write_snapshot(client)
    assert snapshot(folder).is_file()
    for secret in (vector, vector[64:128], b"blue-folder", photos["obama"][1000:1100]):
        assert files_with(folder, secret) == []
    again = make_client(folder, **changes)  # from the sealed snapshot
    answer = again.post("/verify", files=upload(photos["obama"]), data=body_id(body)).json()
    assert answer["verified"]


def body_id(body: dict[str, object]) -> dict[str, object]:
    """The person of an enrollment, for /verify."""
    return {"person_id": body["person_id"]}


def test_rotation_on_the_command_line_beside_a_running_service(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    plain = make_client(folder, default_vocabulary="")
    body = enroll(plain, photos["obama"], "Barack", metadata='{"note": "blue-folder"}')
    vector = embedding(plain, photos["obama"])
    services_of(plain).close()
    old, new = new_key(), new_key()
    for written in (old, f"{new},{old}"):
        client = make_client(folder, encryption_keys=written, default_vocabulary="")
        report = rotate(folder, written)
        assert (report["templates"], report["people"]) == (1, 1)
        assert rotate(folder, written)["templates"] == 0, "a second time there is nothing to do"
        assert client.get(f"/persons/{body['person_id']}").json()["metadata"] == {
            "note": "blue-folder"
        }
        services_of(client).close()
    assert files_with(folder, vector) == []
    assert files_with(folder, b"blue-folder") == []
    final = make_client(folder, encryption_keys=new, default_vocabulary="")
    found = final.post("/identify", files=upload(photos["obama"])).json()
    assert found["faces"][0]["candidates"][0]["name"] == "Barack"
    with pytest.raises(DecryptionFailed, match="not in the encryption keys"):
        build_services(make_settings(folder, encryption_keys=new_key())).readiness.prepare()


def rotate(folder: Path, keys: str) -> dict[str, int]:
    """What `sima keys rotate` reports."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "keys", "rotate", "--json"],
        env={"SIMA_DATA_DIR": str(folder), "SIMA_ENCRYPTION_KEYS": keys, "PATH": ""},
        capture_output=True,
        check=True,
        timeout=120,
    )
    report: dict[str, int] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("key", [None, new_key()], ids=["plain", "sealed"])
def test_a_deleted_person_is_nowhere_and_the_receipt_says_so(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes], key: str | None
) -> None:
    client = make_client(
        folder, encryption_keys=key, store_photos=key is not None, default_vocabulary=""
    )
    kept = enroll(client, photos["biden"], "Joe")
    body = enroll(client, photos["obama"], "Barack", external_id="blue-folder")
    vector, other = embedding(client, photos["obama"]), embedding(client, photos["biden"])
    write_snapshot(client)
    assert ("collection-1.faiss" in files_with(folder, vector)) == (key is None)
    client.post("/identify", files=upload(photos["biden"]))  # opens the index again
    answer = client.delete(f"/persons/{body['person_id']}")
    assert answer.status_code == 204
    receipt = client.get(f"/erasures/{answer.headers['Sima-Erasure']}").json()
    assert (receipt["templates"], receipt["photos"]) == (1, 0 if key is None else 1)
    assert receipt["subject"] == hashlib.sha256(str(body["person_id"]).encode()).hexdigest()
    fields = {name: value for name, value in receipt.items() if name != "digest"}
    written = json.dumps(
        {
            n: v.replace("Z", "+00:00") if n.endswith(("_at", "_by")) else v
            for n, v in fields.items()
        },
        sort_keys=True,
    )
    assert receipt["digest"] == hashlib.sha256(written.encode()).hexdigest()
    tidy(client)
    for secret in (vector, vector[64:128], str(body["person_id"]).encode(), b"blue-folder"):
        assert files_with(folder, secret) == []
    if key is None:
        assert files_with(folder, other) != [], "those who stay are still there"
    assert client.get(f"/persons/{kept['person_id']}").status_code == 200


def test_deleting_one_photo_gives_a_receipt_too(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    client = make_client(folder, default_vocabulary="")
    body = enroll(client, photos["obama"], "Barack")
    answer = client.delete(f"/persons/{body['person_id']}/photos/{body['template_id']}")
    receipt = client.get(f"/erasures/{answer.headers['Sima-Erasure']}").json()
    assert receipt["templates"] == 1
    missing = client.get("/erasures/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "erasure_not_found")


def test_a_photo_is_gone_when_its_time_is_over(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    client = make_client(
        folder, encryption_keys=new_key(), store_photos=True, default_vocabulary=""
    )
    body = enroll(client, photos["obama"], "Barack")
    place = f"/persons/{body['person_id']}/photos/{body['template_id']}/image"
    assert client.get(place).status_code == 200
    database = services_of(client).database
    with database.write() as session:
        session.execute(update(PhotoRow).values(kept_until=now() - timedelta(seconds=1)))
    assert client.get(place).json()["code"] == "photo_not_found", "before any housekeeping"
    tidy(client)
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM photos")) == 0
    assert client.get(f"/persons/{body['person_id']}").status_code == 200, "the template stays"


def test_photos_are_not_kept_by_default(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    client = make_client(folder, encryption_keys=new_key(), default_vocabulary="")
    body = enroll(client, photos["obama"], "Barack")
    place = f"/persons/{body['person_id']}/photos/{body['template_id']}/image"
    assert client.get(place).json()["code"] == "photo_not_found"


def test_keeping_photos_needs_encryption_keys(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="only encrypted"):
        build_services(make_settings(tmp_path, store_photos=True))
