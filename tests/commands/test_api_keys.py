"""The `sima api-keys` commands."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.commands.setup import require_keys
from app.errors import InvalidSetting
from tests.conftest import make_settings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the address that a test is about


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))


def run(*arguments: str, code: int = 0) -> str:
    """Runs `sima api-keys`; returns standard output, or standard error on failure."""
    result = CliRunner().invoke(app, ["api-keys", *arguments])
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


def create(*options: str, role: str = "read") -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        run("create", "--name", "door-3", "--role", role, "--json", *options)
    )
    return made


def listed() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("list", "--json"))
    return rows


def test_a_key_is_printed_once_and_stored_as_a_digest(tmp_path: Path) -> None:
    key = run("create", "--name", "door-3", "--role", "read", "--expires", "90d").strip()
    assert key.startswith("sima_")
    secret = key.split("_", 2)[2]
    [row] = listed()
    assert (row["name"], row["role"], row["state"]) == ("door-3", "read", "active")
    assert row["id"] in key
    table = run("list")
    assert row["id"] in table
    for text in (table, json.dumps(row)):
        assert secret not in text
    for file in (tmp_path / "data").glob("sima.db*"):
        assert secret.encode() not in file.read_bytes()


def test_a_key_is_restricted_to_collections_and_vocabularies() -> None:
    made = create("--collection", "lobby", "--collection", "yard", "--vocabulary", "glove")
    assert (made["collections"], made["vocabularies"]) == (["lobby", "yard"], ["glove"])
    assert made["embeddings"] is False
    assert create("--embeddings")["embeddings"] is True
    assert create(role="admin")["embeddings"] is True


def test_a_rotated_key_remains_valid_for_the_overlap() -> None:
    former = create("--collection", "lobby", "--expires", "90d", "--embeddings", role="enroll")
    made = json.loads(run("rotate", former["id"], "--overlap", "24h", "--json"))
    assert made["replaces"] == former["id"]
    assert made["key"] != former["key"]
    kept = ("name", "role", "collections", "vocabularies", "embeddings")
    assert [made[field] for field in kept] == [former[field] for field in kept]
    [before, after] = listed()
    assert before["id"] == former["id"]
    assert before["state"] == "active"
    assert before["expires_at"] < former["expires_at"] < after["expires_at"]
    run("rotate", former["id"], "--overlap", "0m")
    assert listed()[0]["state"] == "expired"
    assert "is expired; create a new one" in run("rotate", former["id"], code=1)


def test_a_revoked_key_stays_in_the_list() -> None:
    made = create()
    run("revoke", made["id"])
    assert [row["state"] for row in listed()] == ["revoked"]
    assert "is revoked; create a new one" in run("rotate", made["id"], code=1)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("revoke", "000000000000"), 1, "sima api-keys list"),
        (("create", "--name", "", "--role", "read"), 1, "the name must have 1 to 100"),
        (("create", "--name", "a", "--role", "read", "--collection", "no/way"), 1, "'no/way'"),
        (("create", "--name", "a", "--role", "write"), 2, "'read', 'enroll', 'admin'"),
        (("create", "--name", "a", "--role", "read", "--expires", "soon"), 2, "90d, 24h or 30m"),
        (("create", "--name", "a", "--role", "read", "--expires", "99999999d"), 2, "at most"),
    ],
)
def test_invalid_arguments_name_the_remedy(
    arguments: tuple[str, ...], code: int, text: str
) -> None:
    assert text in " ".join(run(*arguments, code=code).replace("│", "").split())


def test_a_service_with_a_key_may_listen_on_any_address(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "data")
    with pytest.raises(InvalidSetting, match="sima api-keys create"):
        require_keys(settings, EVERYWHERE)
    assert not (tmp_path / "data").exists()
    run("revoke", create()["id"])
    require_keys(settings, EVERYWHERE)
