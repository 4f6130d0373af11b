"""`sima doctor --repair` on people with invalid metadata: nothing is lost."""

import base64
import json
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from app.cli import app
from app.crypto.keyring import new_key
from app.settings import Settings
from app.store.db.database import Database
from app.store.db.tables import EntryRow
from app.wiring.services import open_database
from tests.commands.installation import (
    doctor,
    make_key,
    own_model,
    problems,
    set_metadata,
    stored_metadata,
)


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


def _encrypted(database: Database, person_id: str, plaintext: bytes) -> str:
    ciphertext = database.keyring.encrypt(plaintext, f"metadata {person_id}")
    return base64.b64encode(ciphertext).decode()
