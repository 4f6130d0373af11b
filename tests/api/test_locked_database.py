"""Writes that wait for a locked database: they delay no other request and do not wait for long."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from app.api.slots import WRITE_SLOTS
from app.store.audit_log import AuditFilter, AuditLog
from tests.conftest import MakeClient, enroll, services_of, upload

Photos = dict[str, bytes]


def decisions(client: TestClient) -> list[str]:
    """The actions of the recorded decisions of faces."""
    found = AuditLog(services_of(client).database).entries(AuditFilter())
    return [entry.action for entry in found if entry.action != "enroll" and "." not in entry.action]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Holds the write lock of an SQLite file, as another process would."""
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
    other.close()


def test_waiting_writes_delay_neither_photo_requests_nor_checks(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    client = make_client(tmp_path, concurrency=2, busy_seconds=120.0)
    person = enroll(client, photos["astronaut"], "Eileen")["person_id"]

    def write(number: int) -> int:
        changes = {"metadata": {"number": number}}
        return client.patch(f"/persons/{person}", json=changes).status_code

    def add(photo: bytes) -> int:
        files = upload(photo)
        return client.post("/enroll", files=files, data={"name": "Barack"}).status_code

    with ThreadPoolExecutor(WRITE_SLOTS + 3) as pool:
        with locked(tmp_path / "sima.db"):
            writes = [pool.submit(write, number) for number in range(WRITE_SLOTS)]
            time.sleep(0.3)
            writes += [pool.submit(add, photos[name]) for name in ("obama", "obama", "obama")]
            found = client.post("/identify", files=upload(photos["astronaut"]))
            assert found.json()["faces"][0]["person"]["name"] == "Eileen"
            compared = {"person_id": person}
            verified = client.post("/verify", files=upload(photos["astronaut"]), data=compared)
            assert verified.json()["verified"]
            for path in ("/health", "/ready", "/persons"):
                assert client.get(path).status_code == 200
            assert not any(write.done() for write in writes)
            assert decisions(client) == []
        statuses = [write.result() for write in writes]
    assert statuses[:WRITE_SLOTS] == [200] * WRITE_SLOTS
    assert sorted(statuses[WRITE_SLOTS:]) == [201, 409, 409]
    services_of(client).audit.close()  # writes the events that waited
    assert sorted(decisions(client)) == ["identify", "verify"]


def test_a_write_is_refused_after_a_limited_time(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    client = make_client(tmp_path, busy_seconds=0.5)

    def write(client: TestClient, number: int) -> tuple[int, str, int]:
        answer = client.patch("/collections/default", json={"target_fmr": number / 100})
        return answer.status_code, answer.json()["code"], int(answer.headers["Retry-After"])

    with ThreadPoolExecutor(3 * WRITE_SLOTS) as pool, locked(tmp_path / "sima.db"):
        began = time.monotonic()
        writes = [pool.submit(write, client, number + 1) for number in range(3 * WRITE_SLOTS)]
        assert {write.result() for write in writes} == {(503, "overloaded", 2)}
        added = client.post("/enroll", files=upload(photos["obama"]), data={"name": "Barack"})
        assert (added.status_code, added.json()["code"]) == (503, "overloaded")
        assert time.monotonic() - began < 20
    assert client.patch("/collections/default", json={"target_fmr": 0.01}).status_code == 200
    enroll(client, photos["obama"], "Barack")


def test_a_write_does_not_wait_for_a_lock_of_postgresql_without_end(
    make_client: MakeClient, tmp_path: Path, postgres: str, photos: Photos
) -> None:
    client = make_client(tmp_path, database_url=postgres, busy_seconds=0.5)
    person = enroll(client, photos["astronaut"], "Eileen")["person_id"]
    other = create_engine(postgres)
    with other.begin() as session:
        session.execute(text("LOCK TABLE entries IN SHARE ROW EXCLUSIVE MODE"))
        began = time.monotonic()
        refused = client.patch(f"/persons/{person}", json={"name": "Somebody"})
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert "Retry-After" in refused.headers
        assert time.monotonic() - began < 10
        assert client.get(f"/persons/{person}").json()["name"] == "Eileen", "reads do not wait"
    other.dispose()
    assert client.patch(f"/persons/{person}", json={"name": "Collins"}).status_code == 200
