"""Erasure: the bytes of deleted people are purged, and receipts state what was deleted."""

import hashlib
from pathlib import Path

import pytest

from app.crypto.keyring import new_key
from tests.conftest import MakeClient, enroll, upload
from tests.store.data_folder import (
    files_with,
    run_housekeeping,
    template_bytes,
    write_snapshot,
)
from tests.store.receipts import digest_of_answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


@pytest.mark.parametrize("key", [None, new_key()], ids=["plain", "encrypted"])
def test_the_bytes_of_a_deleted_person_are_purged_and_the_receipt_states_it(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes], key: str | None
) -> None:
    # The audit log would keep the random id of the person (docs/security.md), nothing else.
    changes = {"encryption_keys": key, "store_photos": key is not None, "audit": False}
    client = make_client(folder, **changes, default_vocabulary="")
    kept = enroll(client, photos["biden"], "Joe")
    body = enroll(client, photos["obama"], "Barack", external_id="blue-folder")
    vector, other = template_bytes(client, photos["obama"]), template_bytes(client, photos["biden"])
    write_snapshot(client)
    assert ("collection-1.faiss" in files_with(folder, vector)) == (key is None)
    client.post("/identify", files=upload(photos["biden"]))  # opens the index again
    answer = client.delete(f"/persons/{body['person_id']}")
    assert answer.status_code == 204
    receipt = client.get(f"/erasures/{answer.headers['Sima-Erasure']}").json()
    assert (receipt["templates"], receipt["photos"]) == (1, 0 if key is None else 1)
    assert receipt["crops"] == 0
    assert receipt["subject"] == hashlib.sha256(str(body["person_id"]).encode()).hexdigest()
    assert receipt["digest"] == digest_of_answer(receipt)
    run_housekeeping(client)
    for secret in (vector, vector[64:128], str(body["person_id"]).encode(), b"blue-folder"):
        assert files_with(folder, secret) == []
    if key is None:
        assert files_with(folder, other) != [], "other people are kept"
    assert client.get(f"/persons/{kept['person_id']}").status_code == 200


def test_deleting_one_photo_returns_a_receipt(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    client = make_client(folder, default_vocabulary="")
    body = enroll(client, photos["obama"], "Barack")
    answer = client.delete(f"/persons/{body['person_id']}/photos/{body['template_id']}")
    receipt = client.get(f"/erasures/{answer.headers['Sima-Erasure']}").json()
    assert receipt["templates"] == 1
    missing = client.get("/erasures/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "erasure_not_found")


@pytest.mark.parametrize("name", ["default", "lobby"])
def test_deleting_a_collection_returns_a_receipt(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes], name: str
) -> None:
    changes = {"encryption_keys": new_key(), "store_photos": True, "audit": False}
    client = make_client(folder, **changes, default_vocabulary="")
    client.post("/collections", json={"name": "lobby"})
    body = enroll(client, photos["obama"], "Barack", collection=name)
    enroll(client, photos["obama2"], "Barack", collection=name, person_id=body["person_id"])
    enroll(client, photos["biden"], "Joe", collection=name, external_id="blue-folder")
    answer = client.delete(f"/collections/{name}")
    assert answer.status_code == 204
    receipt = client.get(f"/erasures/{answer.headers['Sima-Erasure']}").json()
    assert (receipt["collection"], receipt["templates"], receipt["photos"]) == (name, 3, 3)
    assert receipt["subject"] == hashlib.sha256(name.encode()).hexdigest()
    assert receipt["erased_at"] < receipt["complete_by"]
    run_housekeeping(client)
    for secret in (str(body["person_id"]).encode(), b"blue-folder"):
        assert files_with(folder, secret) == []


def test_the_audit_log_keeps_only_the_id_of_a_deleted_person(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    client = make_client(folder, default_vocabulary="")
    body = enroll(client, photos["obama"], "Barack Obama", external_id="blue-folder")
    vector = template_bytes(client, photos["obama"])
    client.delete(f"/persons/{body['person_id']}")
    run_housekeeping(client)
    for secret in (vector, b"Barack Obama", b"blue-folder"):
        assert files_with(folder, secret) == []
    assert files_with(folder, str(body["person_id"]).encode()) == ["sima.db"]
