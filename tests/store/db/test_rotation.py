"""Rotation of the encryption keys."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.crypto.keyring import new_key
from app.errors import DecryptionFailed
from app.wiring.services import build_services
from tests.conftest import MakeClient, enroll, make_settings, services_of, upload
from tests.store.data_folder import (
    files_with,
    template_bytes,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


def test_keys_are_rotated_while_the_service_is_running(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    plain = make_client(folder, default_vocabulary="")
    body = enroll(
        plain,
        photos["obama"],
        "Barack Hussein",
        external_id="EXT-4711",
        metadata='{"note": "blue-folder"}',
        source="green-door",
    )
    vector = template_bytes(plain, photos["obama"])
    not_this = f"/persons/{body['person_id']}/not-this"
    assert plain.post(not_this, files=upload(photos["obama"])).status_code == 201
    services_of(plain).close()
    old, new = new_key(), new_key()
    for keys in (old, f"{new},{old}"):
        client = make_client(folder, encryption_keys=keys, default_vocabulary="")
        report = rotate(folder, keys)
        assert report == {
            "templates": 1,
            "people": 1,
            "photos": 0,
            "crops": 0,
            "detections": 1,
            "rejections": 1,
        }
        assert not any(rotate(folder, keys).values()), "a second rotation changes nothing"
        person = client.get(f"/persons/{body['person_id']}").json()
        assert (person["name"], person["external_id"]) == ("Barack Hussein", "EXT-4711")
        assert person["metadata"] == {"note": "blue-folder"}
        services_of(client).close()
        for secret in (vector, b"blue-folder", b"green-door", b"Hussein", b"hussein", b"EXT-4711"):
            assert files_with(folder, secret) == []
    final = make_client(folder, encryption_keys=new, default_vocabulary="")
    [photo] = final.get(f"/persons/{body['person_id']}/photos").json()["photos"]
    assert photo["source"] == "green-door"
    found = final.post("/identify", files=upload(photos["obama"])).json()
    assert found["faces"][0]["candidates"] == [], "the rejection is decrypted"
    [rejection] = final.get(not_this).json()["rejections"]
    final.delete(f"{not_this}/{rejection['rejection_id']}")
    found = final.post("/identify", files=upload(photos["obama"])).json()
    assert found["faces"][0]["candidates"][0]["name"] == "Barack Hussein"
    [found] = final.get("/persons?external_id=EXT-4711").json()["persons"]
    assert found["person_id"] == body["person_id"]
    with pytest.raises(DecryptionFailed, match="not in the encryption keys"):
        build_services(make_settings(folder, encryption_keys=new_key())).readiness.prepare()


def rotate(folder: Path, keys: str) -> dict[str, int]:
    """The report of `sima keys rotate`."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "keys", "rotate", "--json"],
        env={"SIMA_DATA_DIR": str(folder), "SIMA_ENCRYPTION_KEYS": keys, "PATH": ""},
        capture_output=True,
        check=True,
        timeout=120,
    )
    report: dict[str, int] = json.loads(done.stdout)
    return report
