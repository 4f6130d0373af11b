"""The command line does what HTTP does, and prints the same JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app import __version__
from app.cli import app
from tests.conftest import MakeClient, upload

pytestmark = pytest.mark.slow

Json = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that both the commands and the service use."""
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SIMA_DEFAULT_VOCABULARY", "")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def sima(*arguments: object) -> Json:
    """Runs a command that must succeed; returns the JSON that it prints."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    printed: Json = json.loads(result.stdout)
    return printed


def test_commands_print_what_the_service_answers(
    folder: Path, tmp_path: Path, make_client: MakeClient, photos: dict[str, bytes]
) -> None:
    photo = tmp_path / "obama.jpg"
    photo.write_bytes(photos["obama"])
    assert sima("collections", "create", "staff")["name"] == "staff"
    options = ("--collection", "staff", "--external-id", "44", "--metadata", '{"team": "press"}')
    enrolled = sima("enroll", photo, "--name", "Barack", *options)
    person_id = enrolled["person_id"]
    changed = sima("persons", "change", person_id, "--name", "Barack Obama", "--no-external-id")
    assert (changed["name"], changed["external_id"]) == ("Barack Obama", None)
    assert changed["metadata"] == {"team": "press"}

    client = make_client(folder, default_vocabulary="")
    image = upload(photos["obama"])
    query = {"collection": "staff"}
    people = client.get("/persons", params={**query, "q": "obama"}).json()
    assert sima("persons", "list", "--collection", "staff", "--q", "obama") == people
    assert people["persons"][0] == changed == sima("persons", "show", person_id)
    shown = client.get(f"/persons/{person_id}/photos").json()
    assert sima("persons", "photos", person_id) == shown
    assert sima("detect", photo) == client.post("/detect", files=image).json()
    assert sima("embed", photo) == client.post("/embed", files=image).json()
    identified = client.post("/identify", files=image, data=query).json()
    assert sima("identify", photo, "--collection", "staff") == identified
    pair = {**upload(photos["obama"], "image_a"), **upload(photos["obama"], "image_b")}
    assert sima("verify", photo, photo) == client.post("/verify", files=pair).json()
    again = ("--name", "Obama", "--allow-duplicate", "--collection", "staff")
    other = sima("enroll", photo, *again)
    duplicates = client.get("/collections/staff/duplicates").json()
    assert sima("persons", "duplicates", "--collection", "staff") == duplicates
    assert len(duplicates["pairs"]) == 1
    sima("persons", "delete", other["person_id"])
    assert sima("collections", "show", "staff") == client.get("/collections/staff").json()
    assert sima("collections", "list") == client.get("/collections").json()

    deleted = sima("persons", "delete-photo", person_id, enrolled["template_id"])
    assert deleted == client.get(f"/erasures/{deleted['id']}").json()
    receipt = sima("collections", "delete", "staff")
    assert receipt == client.get(f"/erasures/{receipt['id']}").json()
    assert client.get("/collections/staff").status_code == 404


def test_commands_correct_answers_as_the_service_does(
    folder: Path, tmp_path: Path, make_client: MakeClient, photos: dict[str, bytes]
) -> None:
    photo = tmp_path / "obama.jpg"
    photo.write_bytes(photos["obama"])
    sima("collections", "create", "lobby", "--visitor-days", "3")
    [seen] = sima("identify", photo, "--collection", "lobby")["faces"]
    visitor_id, inside = seen["visitor_id"], ("--collection", "lobby")
    [listed] = sima("visitors", "list", *inside)["visitors"]
    assert listed["visitor_id"] == visitor_id
    person = sima("visitors", "promote", visitor_id, "--name", "Barack", *inside)
    assert (person["person_id"], person["name"]) == (visitor_id, "Barack")

    [template] = sima("persons", "photos", visitor_id)["photos"]
    template_id = template["template_id"]
    moved = sima("persons", "move-photo", visitor_id, template_id, "--name", "B. Obama")
    other = moved["person"]["person_id"]
    found = sima("persons", "duplicates", *inside, "--target-fpir", 0.5)
    assert (len(found["pairs"]), found["examined"]) == (0, 2)  # the person has no photo left
    rejection = sima("persons", "not-this", visitor_id, "--template-id", template_id)
    client = make_client(folder, default_vocabulary="")
    url = f"/persons/{visitor_id}/not-this"
    assert sima("persons", "rejections", visitor_id) == client.get(url).json()
    assert client.delete(f"{url}/{rejection['rejection_id']}").status_code == 204
    merged = sima("persons", "merge", other, visitor_id)
    assert merged["moved"] == [template_id]
    assert client.get(f"/persons/{visitor_id}").json()["photos"] == 1


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"sima {__version__}\n")
