"""Readiness: lost files and damaged tables are reported; photo requests do not delay the check."""

import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.errors import NotReady
from app.store.db.sqlite_files import SqliteFiles
from tests.conftest import MakeClient, enroll, services_of, upload

Photos = dict[str, bytes]


def failed_check(client: TestClient) -> str:
    """The name of the readiness check that fails."""
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert client.get("/health").status_code == 200
    check: str = answer.json()["check"]
    return check


def assert_refused(client: TestClient, photo: bytes, name: str) -> None:
    """An enrollment and a change without a photo are refused with the remedy."""
    for answer in (
        client.post("/enroll", files=upload(photo), data={"name": name}),
        client.post("/collections", json={"name": name}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert "restored and the service is restarted" in answer.json()["detail"]


def test_nothing_is_enrolled_into_a_deleted_data_folder(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    client = make_client(tmp_path / "data")
    enroll(client, photos["astronaut"], "Eileen")
    assert client.get("/ready").status_code == 200
    kept = (tmp_path / "data").rename(tmp_path / "kept")
    assert failed_check(client) == "database_file"
    assert_refused(client, photos["obama"], "barack")
    kept.rename(tmp_path / "data")
    assert client.get("/ready").status_code == 200
    enroll(client, photos["obama"], "Barack")
    shutil.rmtree(tmp_path / "data")
    assert failed_check(client) == "database_file"
    assert_refused(client, photos["biden"], "joe")
    assert not (tmp_path / "data" / "sima.db").exists(), "no empty database is created"


@pytest.mark.parametrize("name", ["sima.db", "sima.db-wal"])
def test_nothing_is_enrolled_into_a_replaced_file(
    make_client: MakeClient, tmp_path: Path, photos: Photos, name: str
) -> None:
    client = make_client(tmp_path)
    file = tmp_path / name
    with ExitStack() as stack:  # other work has all open connections: requests need further ones
        for _ in range(5):
            stack.enter_context(services_of(client).database.read())
        original = file.rename(tmp_path / "original")
        shutil.copy(original, file)
        assert_refused(client, photos["obama"], "barack")
    assert failed_check(client) == "database_file"
    assert_refused(client, photos["obama"], "barack")
    original.replace(file)
    assert client.get("/ready").status_code == 200


@pytest.mark.parametrize("table", ["embedding_spaces", "entries", "templates", "journal"])
def test_a_missing_table_is_reported(make_client: MakeClient, tmp_path: Path, table: str) -> None:
    client = make_client(tmp_path)
    with sqlite3.connect(tmp_path / "sima.db") as other:
        other.execute(f"ALTER TABLE {table} RENAME TO lost")
    assert failed_check(client) == "tables"
    assert table in client.get("/ready").json()["detail"]
    with sqlite3.connect(tmp_path / "sima.db") as other:
        other.execute(f"ALTER TABLE lost RENAME TO {table}")
    other.close()
    assert client.get("/ready").status_code == 200


def test_a_damaged_table_is_reported(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    client = make_client(tmp_path)
    enroll(client, photos["astronaut"], "Eileen")
    other = sqlite3.connect(tmp_path / "sima.db")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    [(page,)] = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'templates'")
    [(size,)] = other.execute("PRAGMA page_size")
    other.close()
    with (tmp_path / "sima.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert failed_check(client) == "tables"


def test_photo_requests_do_not_delay_the_readiness_check(
    make_client: MakeClient, photos: Photos
) -> None:
    client = make_client(concurrency=1)

    def detect(_: int) -> int:
        return client.post("/detect", files=upload(photos["pair"])).status_code

    with ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(detect, i) for i in range(60)]
        time.sleep(0.2)
        assert client.get("/ready").status_code == 200
        assert not all(request.done() for request in waiting), "the check did not wait for them"
    assert {request.result() for request in waiting} == {200}


def test_a_log_that_is_replaced_while_a_connection_is_opened_is_detected(tmp_path: Path) -> None:
    """Such a connection was counted as one more with the right log, and enrollments were lost."""
    database = tmp_path / "sima.db"
    log = tmp_path / "sima.db-wal"
    files = SqliteFiles(database)
    for file in (database, log):
        file.touch()
    files.check_new_connection()
    first = files.opened()
    files.check_new_connection()  # a second connection
    log.rename(tmp_path / "original")
    log.touch()
    with pytest.raises(NotReady, match="deleted or replaced"):
        files.opened()
    with pytest.raises(NotReady, match="deleted or replaced"):
        files.check_new_connection()
    files.connection_closed(first)
