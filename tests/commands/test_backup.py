"""`sima backup`: a copy of a running service's database, checked and restored."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.crypto.keyring import new_key
from tests.conftest import MakeClient, enroll, upload

KEY = new_key()
NAME = "Barack Hussein Obama"


def sima(data: Path, *arguments: str, status: int = 0, **environment: str) -> str:
    """Runs `sima backup` on a data folder; returns its output, or the error."""
    done = run_sima(data, "backup", *arguments, status=status, **environment)
    return done.stdout if status == 0 else done.stderr


def run_sima(data: Path, *arguments: str, status: int = 0, **environment: str) -> Result:
    """Runs `sima` on a data folder."""
    known = {name: None for name in os.environ if name.startswith("SIMA_")}
    env = {**known, "SIMA_DATA_DIR": str(data), **environment}
    done = CliRunner().invoke(app, arguments, env=env)
    assert done.exit_code == status, done.output
    return done


def make_key(data: Path, name: str) -> str:
    """Creates an API key; returns its id."""
    created = run_sima(data, "api-keys", "create", "--name", name, "--role", "read", "--json")
    return str(json.loads(created.stdout)["id"])


def key_states(data: Path) -> dict[str, str]:
    """The states of the API keys by id."""
    listed = json.loads(run_sima(data, "api-keys", "list", "--json").stdout)
    return {key["id"]: key["state"] for key in listed}


@pytest.fixture
def data(tmp_path: Path, make_client: MakeClient, photos: dict[str, bytes]) -> Path:
    """The data folder of a running service with one enrolled person."""
    folder = tmp_path / "data"
    enroll(make_client(folder), photos["obama"], NAME)
    return folder


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_a_restored_backup_knows_the_people(
    tmp_path: Path, make_client: MakeClient, photos: dict[str, bytes], key: str | None
) -> None:
    keys = key or ""
    first, second = tmp_path / "first", tmp_path / "second"
    running = make_client(first, encryption_keys=key)
    person = enroll(running, photos["obama"], NAME)
    file = tmp_path / "monday.simabackup"
    made = json.loads(sima(first, "create", str(file), "--json", SIMA_ENCRYPTION_KEYS=keys))
    assert (made["people"], made["templates"], made["encrypted"]) == (1, 1, bool(key))
    assert file.stat().st_mode & 0o777 == 0o600
    assert (NAME.encode() in file.read_bytes()) is not bool(key)
    running.delete(f"/persons/{person['person_id']}")

    checked = json.loads(
        sima(
            second,
            "verify",
            str(file),
            "--signer",
            made["signer"],
            "--json",
            SIMA_ENCRYPTION_KEYS=keys,
        )
    )
    assert checked["intact"]
    sima(second, "restore", str(file), "--signer", made["signer"], SIMA_ENCRYPTION_KEYS=keys)
    restored = make_client(second, encryption_keys=key)
    found = restored.post("/identify", files=upload(photos["obama2"])).json()["faces"][0]
    assert found["person"]["person_id"] == person["person_id"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", file.name, "second"]


def test_the_signature_of_another_installation_must_be_trusted(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.simabackup"
    sima(data, "create", str(file))
    error = sima(tmp_path / "other", "restore", str(file), status=1)
    assert "--signer" in error
    assert not (tmp_path / "other" / "sima.db").exists()


def test_a_changed_backup_is_refused(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.simabackup"
    sima(data, "create", str(file))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "backup" in sima(data, "verify", str(file), status=1)
    before = (data / "sima.db").read_bytes()
    sima(data, "restore", "--replace", str(file), status=1)
    assert (data / "sima.db").read_bytes() == before
    assert not list(data.glob("*restor*"))


def test_a_backup_without_its_key_is_refused(
    tmp_path: Path, make_client: MakeClient, photos: dict[str, bytes]
) -> None:
    enroll(make_client(tmp_path / "data", encryption_keys=KEY), photos["obama"], NAME)
    file = tmp_path / "a.simabackup"
    sima(tmp_path / "data", "create", str(file), SIMA_ENCRYPTION_KEYS=KEY)
    error = sima(tmp_path / "data", "verify", str(file), status=1)
    assert "not in the encryption keys" in error


def test_an_existing_database_is_kept_under_another_name(
    tmp_path: Path, make_client: MakeClient, photos: dict[str, bytes]
) -> None:
    data, file = tmp_path / "data", tmp_path / "a.simabackup"
    client = make_client(data)
    sima(data, "create", str(file))
    enroll(client, photos["obama"], NAME)
    assert "--replace" in sima(data, "restore", str(file), status=1)
    done = json.loads(sima(data, "restore", "--replace", str(file), "--json"))
    with closing(sqlite3.connect(done["previous"])) as previous:
        assert previous.execute("SELECT name FROM entries").fetchall() == [(NAME,)]
    with closing(sqlite3.connect(data / "sima.db")) as restored:
        assert restored.execute("SELECT count(*) FROM entries").fetchone() == (0,)


def test_a_restored_backup_does_not_revive_revoked_keys(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "a.simabackup"
    revoked, rotated, kept = (make_key(data, name) for name in ("door-1", "door-2", "door-3"))
    signer = json.loads(sima(data, "create", str(file), "--json"))["signer"]
    run_sima(data, "api-keys", "revoke", revoked)
    run_sima(data, "api-keys", "rotate", rotated, "--overlap", "0m")
    done = json.loads(sima(data, "restore", "--replace", str(file), "--json"))
    assert sorted(done["revoked_again"]) == sorted([revoked, rotated])
    assert key_states(data) == {revoked: "revoked", rotated: "expired", kept: "active"}

    # Without the replaced database, nobody knows what was revoked: the command names the keys.
    other = tmp_path / "other"
    done = run_sima(other, "backup", "restore", str(file), "--signer", signer)
    assert all(key in done.stderr for key in (revoked, rotated, kept))
    assert "revoke those again" in done.stderr

    (data / "sima.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)
    done = run_sima(data, "backup", "restore", "--replace", str(file))
    assert revoked in done.stderr, "the damaged database does not tell either"


def test_a_restore_into_a_database_without_keys_reports_nothing(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.simabackup"
    sima(data, "create", str(file))
    done = run_sima(data, "backup", "restore", "--replace", str(file), "--json")
    assert json.loads(done.stdout)["revoked_again"] == []
    assert done.stderr == ""


def test_a_backup_of_a_newer_schema_is_refused(data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data / "sima.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    file = tmp_path / "a.simabackup"
    sima(data, "create", str(file))
    error = sima(data, "restore", "--replace", str(file), status=1)
    assert "the schema 9999" in error
    assert not list(data.glob("*before-restore*"))


def test_postgresql_is_backed_up_by_its_own_tools(tmp_path: Path) -> None:
    url = "postgresql+psycopg://sima:secret-word@127.0.0.1:1/sima"
    error = sima(
        tmp_path, "create", str(tmp_path / "a.simabackup"), status=1, SIMA_DATABASE_URL=url
    )
    assert "pg_dump" in error
    assert "secret-word" not in error
