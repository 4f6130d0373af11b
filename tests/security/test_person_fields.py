"""Names, external ids and metadata that later responses could not contain: refused on every way in.

One such person would make `/persons`, `/identify` and `sima export` fail for the whole gallery.
"""

import base64
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.crypto.keyring import Keyring
from app.crypto.signing import Signer
from app.errors import InvalidArchive, InvalidRequest
from app.faces.sources import find_photos
from app.store.archive_file import ArchivedPerson, Contents, open_file, write_file
from tests.conftest import enroll, upload
from tests.faces.test_bulk import sima
from tests.store.galleries import SPACE

Photos = dict[str, bytes]

JSON = {"Content-Type": "application/json"}
SURROGATE = "\\ud800"


def nested(levels: int) -> str:
    """An object of that many levels as JSON text."""
    return '{"a":' * levels + "1" + "}" * levels


def object_of(size: int) -> str:
    """An object of `size` bytes as JSON text."""
    return json.dumps({"a": "x" * (size - len('{"a":""}'))}, separators=(",", ":"))


REFUSED_METADATA = {
    "17 levels": (nested(17), "the object has more than 16 levels; use fewer"),
    "25 levels": (nested(25), "the object has more than 16 levels; use fewer"),
    "arrays": ('{"a":' + "[" * 16 + "]" * 16 + "}", "more than 16 levels"),
    "surrogate": (f'{{"a":"{SURROGATE}"}}', "not valid Unicode; remove unpaired surrogates"),
    "surrogate key": (f'{{"{SURROGATE}":1}}', "not valid Unicode; remove unpaired surrogates"),
    "NaN": ('{"a":NaN}', "not finite or too long; use finite numbers"),
    "1e999": ('{"a":1e999}', "not finite or too long; use finite numbers"),
    "size": (object_of(16_385), "the object has 16385 bytes as JSON; the limit is 16384 bytes"),
    "two bytes": (json.dumps({"a": "ü" * 9_000}, ensure_ascii=False), "has 18008 bytes as JSON"),
}
REFUSED_IN_FORMS = REFUSED_METADATA | {
    "300 levels": (nested(300), "the object has more than 16 levels; use fewer")
}
METADATA = pytest.mark.parametrize(
    ("metadata", "message"), REFUSED_METADATA.values(), ids=REFUSED_METADATA
)


@pytest.fixture(scope="module")
def person(client: TestClient, photos: Photos) -> str:
    """The id of an enrolled person."""
    return str(enroll(client, photos["astronaut"], "Eileen")["person_id"])


def require_refused(response: Response, message: str) -> None:
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert message in response.text


@pytest.mark.parametrize(("metadata", "message"), REFUSED_IN_FORMS.values(), ids=REFUSED_IN_FORMS)
def test_metadata_is_refused_in_a_form(
    client: TestClient, photos: Photos, metadata: str, message: str
) -> None:
    fields = {"name": "B", "metadata": metadata}
    require_refused(client.post("/enroll", files=upload(photos["obama"]), data=fields), message)


@METADATA
def test_metadata_is_refused_in_json(
    client: TestClient, person: str, photos: Photos, metadata: str, message: str
) -> None:
    body = f'{{"metadata":{metadata}}}'.encode()
    require_refused(client.patch(f"/persons/{person}", content=body, headers=JSON), message)
    image = base64.b64encode(photos["obama"]).decode()
    item = f'{{"name":"B","image":"{image}","metadata":{metadata}}}'
    batch = f'{{"items":[{item}]}}'.encode()
    require_refused(client.post("/enroll/batch", content=batch, headers=JSON), message)
    single = client.post("/enroll", content=item.encode(), headers=JSON)
    assert (single.status_code, single.json()["code"]) == (422, "validation_error")


def test_metadata_at_the_limits_is_stored_and_returned(client: TestClient, person: str) -> None:
    for text in (nested(16), object_of(16_384), '{"a":"\\u0000"}', "{}"):
        body = f'{{"metadata":{text}}}'.encode()
        changed = client.patch(f"/persons/{person}", content=body, headers=JSON)
        assert changed.status_code == 200
        [listed] = client.get("/persons").json()["persons"]
        assert listed["metadata"] == json.loads(text)


@pytest.mark.parametrize("text", ["", "a\\u0000", "a\\nb", SURROGATE, "x" * 201])
@pytest.mark.parametrize("field", ["name", "external_id"])
def test_names_and_external_ids_are_refused(
    client: TestClient, person: str, field: str, text: str
) -> None:
    body = f'{{"{field}":"{text}"}}'.encode()
    refused = client.patch(f"/persons/{person}", content=body, headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")


@METADATA
def test_metadata_is_refused_in_a_csv_file(tmp_path: Path, metadata: str, message: str) -> None:
    quoted = metadata.replace('"', '""')
    file = tmp_path / "people.csv"
    file.write_text(f'name,image,metadata\nAda,1.jpg,"{quoted}"\n', encoding="utf-8")
    with pytest.raises(InvalidRequest, match="line 2: metadata: ") as refused:
        find_photos(file)
    assert message in str(refused.value)


@pytest.mark.parametrize("name", [b"Jos\xe9", b"a\nb", b"a" * 201])
def test_names_of_folders_are_refused(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / name.decode("utf-8", "surrogateescape")
    folder.mkdir()
    (folder / "1.jpg").touch()
    with pytest.raises(InvalidRequest) as refused:
        find_photos(tmp_path)
    assert str(refused.value).isascii()
    assert len(str(refused.value).splitlines()) == 1


def test_the_command_line_prints_one_line(tmp_path: Path, photos: Photos) -> None:
    latin = tmp_path / "people.csv"
    latin.write_bytes(b"name,image\nJos\xe9,1.jpg\n")
    error = sima(tmp_path / "data", "import", latin, status=1)["error"]
    assert error == (
        "validation_error: the CSV file cannot be read; save it in UTF-8, with short fields\n"
    )
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(photos["obama"])
    name = b"Jos\xe9".decode("utf-8", "surrogateescape")
    error = sima(tmp_path / "data", "enroll", photo, "--name", name, status=1)["error"]
    assert error.splitlines() == [
        "validation_error: name: the string is not valid Unicode; remove unpaired surrogates"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": json.loads(nested(300))},
        {"metadata": {"a": "\ud800"}},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": "x" * 20_000}},
        {"metadata": []},
        {"name": "\ud800"},
        {"name": 7},
        {"name": "a\0b"},
        {"external_id": "x" * 201},
    ],
    ids="-".join,
)
def test_an_archive_with_an_invalid_person_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    signer = Signer.load_or_create(tmp_path / "signing.key")
    file = tmp_path / "gallery.sima"
    person = ArchivedPerson("p1", "Ada", None, {}, "2026-01-01", [])
    contents = Contents("people", SPACE, (1, 0), lambda: iter([person]), lambda: iter(()))
    write_file(file, contents, signer, Keyring())
    change_person(file, signer, changes)
    with (
        pytest.raises(InvalidArchive, match="person"),
        open_file(file, [signer.public], Keyring()) as archive,
    ):
        list(archive.people())


def change_person(file: Path, signer: Signer, changes: dict[str, Any]) -> None:
    """Changes the person of an archive and signs it again, as an older version might have."""
    with zipfile.ZipFile(file) as stream:
        parts = {name: stream.read(name) for name in stream.namelist()}
    person = json.dumps({**json.loads(parts["people.jsonl"]), **changes}).encode()
    manifest = json.loads(parts["manifest.json"])
    manifest["digests"]["people.jsonl"] = hashlib.sha256(person).hexdigest()
    written = json.dumps(manifest).encode()
    parts |= {"people.jsonl": person, "manifest.json": written, "signature": signer.sign(written)}
    with zipfile.ZipFile(file, "w") as stream:
        for name, part in parts.items():
            stream.writestr(name, part)
