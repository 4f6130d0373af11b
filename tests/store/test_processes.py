"""Several processes on one data folder, and killed processes."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from app.settings import PROJECT
from harness.servers import Server, running
from tests.conftest import upload

pytestmark = pytest.mark.slow
Photos = dict[str, bytes]


def identify(url: str, photo: bytes) -> list[str]:
    """Returns the names of the people nearest to the largest face."""
    answer = httpx2.post(f"{url}/identify?faces=largest", files=upload(photo)).raise_for_status()
    return [candidate["name"] for candidate in answer.json()["faces"][0]["candidates"]]


def test_changes_of_one_process_are_found_by_the_next_request_to_another(
    tmp_path: Path, photos: Photos
) -> None:
    with running(tmp_path) as a, running(tmp_path) as b:
        assert identify(b.url, photos["astronaut"]) == []
        for round_ in range(3):
            enrolled = httpx2.post(
                f"{a.url}/enroll", files=upload(photos["astronaut"]), data={"name": f"E{round_}"}
            ).raise_for_status()
            assert identify(b.url, photos["astronaut"]) == [f"E{round_}"]
            duplicate = httpx2.post(
                f"{b.url}/enroll", files=upload(photos["astronaut"]), data={"name": "Other"}
            )
            assert duplicate.status_code == 409

            person = enrolled.json()["person_id"]
            assert httpx2.delete(f"{b.url}/persons/{person}").status_code == 204
            assert identify(a.url, photos["astronaut"]) == []
            assert identify(b.url, photos["astronaut"]) == []


def test_index_rebuild_repairs_the_index_of_a_running_service(
    tmp_path: Path, photos: Photos
) -> None:
    """The vectors of two people are swapped without journal rows."""
    with running(tmp_path) as server:
        for name in ("astronaut", "obama"):
            fields = {"name": name}
            httpx2.post(f"{server.url}/enroll", files=upload(photos[name]), data=fields)
        assert identify(server.url, photos["astronaut"])[0] == "astronaut"
        with sqlite3.connect(tmp_path / "sima.db") as connection:
            rows = connection.execute("SELECT id, vector FROM templates ORDER BY id").fetchall()
            [(first, one), (second, other)] = rows
            swapped = [(other, first), (one, second)]
            connection.executemany("UPDATE templates SET vector = ? WHERE id = ?", swapped)
        assert identify(server.url, photos["astronaut"])[0] == "astronaut"
        env = {**os.environ, "SIMA_DATA_DIR": str(tmp_path), "SIMA_DEFAULT_VOCABULARY": ""}
        command = [sys.executable, "-m", "app.cli", "index", "rebuild"]
        subprocess.run(command, cwd=PROJECT, env=env, check=True, timeout=120)
        assert identify(server.url, photos["astronaut"])[0] == "obama"


def test_several_workers_on_one_port(tmp_path: Path, photos: Photos) -> None:
    """Every request opens a new connection, so all workers receive some."""
    with running(tmp_path, "--workers", "3") as server:
        for round_ in range(4):
            person = httpx2.post(
                f"{server.url}/enroll",
                files=upload(photos["astronaut"]),
                data={"name": f"E{round_}"},
            ).raise_for_status()
            for _ in range(4):
                assert identify(server.url, photos["astronaut"]) == [f"E{round_}"]
            url = f"{server.url}/persons/{person.json()['person_id']}"
            assert httpx2.delete(url).status_code == 204
            for _ in range(4):
                assert identify(server.url, photos["astronaut"]) == []


def test_sigkill_loses_no_acknowledged_enrollment(tmp_path: Path, photos: Photos) -> None:
    acknowledged: list[str] = []
    for burst in range(3):
        server = Server(tmp_path).wait_until_ready()
        threads = [
            threading.Thread(target=_enroll_until_killed, args=(server, photos, acknowledged))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        time.sleep(1.0 + 0.37 * burst)
        server.kill()
        for thread in threads:
            thread.join()
    assert len(acknowledged) > 5, "people were enrolled before the kills"

    with running(tmp_path) as server:
        known: dict[str, int] = {}
        cursor: dict[str, str] = {}
        while True:
            page = httpx2.get(f"{server.url}/persons", params={"limit": 500, **cursor}).json()
            known |= {person["person_id"]: person["photos"] for person in page["persons"]}
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert set(acknowledged) <= set(known), "every acknowledged person is stored"
        assert set(known.values()) == {1}, "every person has a template"
        found = httpx2.post(
            f"{server.url}/identify?top_k=1", files=upload(photos["astronaut"])
        ).json()
        assert found["gallery_size"] == len(known)


def test_sigterm_completes_pending_requests(tmp_path: Path, photos: Photos) -> None:
    """There are more requests than threads, so some are waiting when the signal arrives."""
    fields = {"name": "B", "on_duplicate": "allow"}
    with running(tmp_path) as server:
        answers: list[int] = []

        def enroll() -> None:
            answer = httpx2.post(
                f"{server.url}/enroll", files=upload(photos["obama3"]), data=fields
            )
            answers.append(answer.status_code)

        threads = [threading.Thread(target=enroll) for _ in range(8)]
        for thread in threads:
            thread.start()
        while len(answers) + connections(server.port) < len(threads):
            time.sleep(0.01)
        time.sleep(0.2)  # the requests follow their connections
        assert server.stop() in (0, -15)
        for thread in threads:
            thread.join()
        assert answers == [201] * 8
    with running(tmp_path) as again:
        assert identify(again.url, photos["obama3"]) == ["B"] * 5


def connections(port: int) -> int:
    """Returns the number of established connections to a local port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines
    )


def test_the_default_address_is_loopback(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        listening = Path("/proc/net/tcp").read_text().splitlines()
        port = f":{server.port:04X}"
        addresses = [line.split()[1] for line in listening if line.split()[1].endswith(port)]
        assert addresses
        assert all(address.startswith("0100007F") for address in addresses)


def _enroll_until_killed(server: Server, photos: Photos, acknowledged: list[str]) -> None:
    fields = {"name": "somebody", "on_duplicate": "allow"}
    while True:
        try:
            answer = httpx2.post(
                f"{server.url}/enroll", files=upload(photos["astronaut"]), data=fields
            )
        except httpx2.TransportError:
            return
        acknowledged.append(answer.raise_for_status().json()["person_id"])


def test_a_worker_that_gets_no_cpu_for_seconds_is_not_killed(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2") as server:
        workers = _children(server.process.pid)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        time.sleep(7.0)
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        assert httpx2.get(f"{server.url}/health", timeout=30.0).status_code == 200
        assert _children(server.process.pid) == workers


def _children(process: int) -> list[int]:
    """The worker processes of a service."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    workers = [int(child) for child in listed]
    return [child for child in workers if b"spawn_main" in _command(child)]


def _command(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()
