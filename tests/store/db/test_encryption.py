"""Encryption at rest: no personal data is stored unencrypted if there are keys."""

from pathlib import Path

import pytest

from app.crypto.keyring import new_key
from app.errors import InvalidSetting
from app.wiring.services import build_services
from tests.conftest import MakeClient, enroll, make_settings, services_of, upload
from tests.contract.test_faiss_snapshots import as_format_2
from tests.store.data_folder import (
    files_with,
    snapshot_file,
    template_bytes,
    write_snapshot,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


def test_without_keys_data_is_stored_unencrypted(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    """Shows that the searches of the other tests find unencrypted data."""
    client = make_client(folder, default_vocabulary="")
    enroll(client, photos["obama"], "Barack", metadata='{"note": "blue-folder"}')
    template = template_bytes(client, photos["obama"])
    services_of(client).close()
    assert files_with(folder, template) != []
    assert files_with(folder, b"blue-folder") != []


def test_with_a_key_all_personal_data_is_encrypted(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    changes = {"encryption_keys": new_key(), "store_photos": True, "default_vocabulary": ""}
    client = make_client(folder, **changes)
    fields = {"external_id": "EXT-4711", "metadata": '{"note": "blue-folder"}'}
    body = enroll(client, photos["obama"], "Barack Hussein", **fields)
    person = client.get(f"/persons/{body['person_id']}").json()
    assert (person["name"], person["external_id"]) == ("Barack Hussein", "EXT-4711")
    assert person["metadata"] == {"note": "blue-folder"}
    for query, found in (
        ({"name": "barack"}, [person]),
        ({"q": "HUSSEIN"}, [person]),
        ({"name": "Hussein"}, []),
        ({"external_id": "EXT-4711"}, [person]),
        ({"external_id": "EXT-47"}, []),
    ):
        assert client.get("/persons", params=query).json()["persons"] == found
    client.patch(f"/persons/{body['person_id']}", json={"name": "Renamed President"})
    assert client.get("/persons?name=Barack Hussein").json()["persons"] == []
    assert len(client.get("/persons?name=Renamed President").json()["persons"]) == 1
    url = f"/persons/{body['person_id']}/photos/{body['template_id']}/image"
    assert client.get(url).content == photos["obama"]
    vector = template_bytes(client, photos["obama"])
    write_snapshot(client)
    assert snapshot_file(folder).is_file()
    texts = (b"blue-folder", b"Hussein", b"hussein", b"Renamed", b"renamed", b"EXT-4711")
    for secret in (vector, vector[64:128], *texts, photos["obama"][1000:1100]):
        assert files_with(folder, secret) == []
    again = make_client(folder, **changes)  # from the encrypted snapshot
    answer = again.post("/verify", files=upload(photos["obama"]), data=body_id(body)).json()
    assert answer["verified"]


def body_id(body: dict[str, object]) -> dict[str, object]:
    """The person of an enrollment, for /verify."""
    return {"person_id": body["person_id"]}


def test_a_snapshot_of_an_earlier_format_is_rebuilt_from_the_database(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    changes = {"encryption_keys": new_key(), "default_vocabulary": ""}
    client = make_client(folder, **changes)
    body = enroll(client, photos["obama"], "Barack")
    write_snapshot(client)
    services_of(client).close()
    as_format_2(snapshot_file(folder))
    again = make_client(folder, **changes)
    found = again.post("/identify", files=upload(photos["obama"])).json()
    assert found["faces"][0]["candidates"][0]["person_id"] == body["person_id"]


def test_keeping_photos_needs_encryption_keys(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="only encrypted"):
        build_services(make_settings(tmp_path, store_photos=True))
