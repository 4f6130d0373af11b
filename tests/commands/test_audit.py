"""`sima audit`: verify, head, export, prune; and that commands are recorded as `cli`."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.crypto.keyring import new_key
from app.settings import Settings

CUT = "DELETE FROM audit_log WHERE sequence > 2"
MOVE = "UPDATE audit_chain SET sequence = 2, hash = (SELECT hash FROM audit_log WHERE sequence = 2)"


def sima(*arguments: str, code: int = 0) -> str:
    """Runs a command; returns what it printed."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output.strip()


def change(settings: Settings, *statements: str) -> None:
    with closing(sqlite3.connect(settings.data_dir / "sima.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def exported(*options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sima("audit", "export", *options).splitlines()]


@pytest.fixture
def export(settings: Settings, tmp_path: Path) -> Settings:
    """An installation whose gallery was exported three times."""
    for number in range(3):
        sima("export", "people", str(tmp_path / f"{number}.sima"))
    return settings


def test_commands_are_recorded_as_cli(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = str(tmp_path / "people.sima")
    sima("export", "people", archive)
    sima("import", archive, "--collection", "copy")
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", new_key())
    sima("keys", "rotate")
    sima("backup", "create", str(tmp_path / "a.simabackup"))
    found = exported()
    assert [(e["action"], e["decision"], e["collection"]) for e in found] == [
        ("collection.export", "exported", "people"),
        ("collection.import", "imported", "copy"),
        ("keys.rotate", "changed", None),
        ("backup.create", "exported", None),
        ("audit.export", "exported", None),
    ]
    assert {(e["key_id"], e["address"], e["request_id"]) for e in found} == {("cli", None, None)}
    assert "P1" not in json.dumps(found)  # the name of the person in the archive
    assert sima("audit", "verify").startswith("intact: 5 events, 0 pruned; head 5:")


def test_events_of_api_keys_name_the_key(settings: Settings) -> None:
    key = ("--name", "door", "--role", "read", "--json")
    former = json.loads(sima("api-keys", "create", *key))["id"]
    new = json.loads(sima("api-keys", "rotate", former, "--json"))["id"]
    sima("api-keys", "revoke", former)
    assert [(e["action"], e["decision"], e["target_key_id"]) for e in exported()] == [
        ("api_key.create", "created", former),
        ("api_key.rotate", "changed", former),
        ("api_key.create", "created", new),
        ("api_key.revoke", "deleted", former),
        ("audit.export", "exported", None),
    ]
    assert sima("audit", "verify").startswith("intact: 5 events")
    change(settings, "UPDATE audit_log SET target_key_id = NULL WHERE sequence = 4")
    assert "event 4 was changed" in sima("audit", "verify", code=1)


def test_the_hash_of_an_event_is_that_of_earlier_versions(export: Settings) -> None:
    """They recorded no API keys that were created or revoked, so the field is left out."""
    first, second = exported()[:2]
    content = {**second, "previous_hash": first["hash"]}
    del content["hash"], content["target_key_id"]
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(written.encode()).hexdigest() == second["hash"]


def test_events_are_filtered(export: Settings) -> None:
    assert [e["sequence"] for e in exported("--action", "collection.export")] == [1, 2, 3]
    assert exported("--collection", "nobody") == []
    assert [e["sequence"] for e in exported("--until", "2020-01-01")] == []
    since = exported("--since", "2020-01-01T00:00:00")
    assert [e["sequence"] for e in since] == list(range(1, 8))


def test_verify_names_the_first_bad_event(export: Settings) -> None:
    change(export, "UPDATE audit_log SET person_id = 'somebody' WHERE sequence >= 2")
    shown = sima("audit", "verify", code=1)
    assert shown.startswith("audit_log_damaged: event 2 was changed")
    found = json.loads(sima("audit", "verify", "--json", code=1))
    assert (found["intact"], found["sequence"]) == (False, 2)


def test_a_noted_head_shows_that_the_last_events_were_removed(export: Settings) -> None:
    head = sima("audit", "head")
    assert head.startswith("3:")
    sima("audit", "verify", "--head", head)
    change(export, CUT, MOVE)
    assert sima("audit", "verify").startswith("intact: 2 events")
    assert "event 3 and all later events were removed" in sima(
        "audit", "verify", "--head", head, code=1
    )
    assert "pass what `sima audit head` printed" in sima("audit", "verify", "--head", "3", code=1)


def test_old_events_are_pruned(export: Settings) -> None:
    assert sima("audit", "prune", "--days", "1") == "deleted 0 events"
    change(export, "UPDATE audit_log SET time = '2020-01-01 00:00:00.000000' WHERE sequence = 1")
    assert "event 1 was changed" in sima("audit", "prune", code=1)
    assert json.loads(sima("audit", "prune", "--force", "--json")) == {"pruned": 1}
    assert sima("audit", "verify").startswith("intact: 3 events, 1 pruned; head 4:")


def test_events_that_never_expire_are_pruned_on_request_only(
    export: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMA_AUDIT_DAYS", "0")
    assert "pass --days" in sima("audit", "prune", code=1)


def test_nothing_is_recorded_where_the_audit_log_is_off(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMA_AUDIT", "off")
    sima("export", "people", str(tmp_path / "people.sima"))
    assert exported() == []
