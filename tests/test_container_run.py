"""A built image, run with the restrictions of the compose file.

Needs `SIMA_TEST_IMAGE`, the name of an image built with the Dockerfile, and podman or docker
(`SIMA_TEST_ENGINE` names another program). Skipped without them; nothing is built here.
"""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx2
import pytest
import yaml

from app.settings import PROJECT
from harness.servers import free_port
from tests.conftest import upload

IMAGE = os.environ.get("SIMA_TEST_IMAGE", "")
ENGINE = shutil.which(os.environ.get("SIMA_TEST_ENGINE", "podman")) or shutil.which("docker")
KEY = "container-key-0123456789"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not IMAGE, reason="SIMA_TEST_IMAGE names no image"),
    pytest.mark.skipif(ENGINE is None, reason="there is no container engine"),
]


def engine(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a command of the container engine."""
    command = [ENGINE or "", *arguments]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=120)


def restrictions() -> list[str]:
    """The options of the service `sima` in the compose file, as those of `run`.

    `/tmp` has less room than the database, so that SQLite cannot rewrite it there.
    """
    service = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]["sima"]
    assert service["read_only"]
    options = ["--read-only", *(f"--tmpfs={folder}:size=16m" for folder in service["tmpfs"])]
    options += [f"--cap-drop={name}" for name in service["cap_drop"]]
    options += [f"--security-opt={one.replace(':true', '')}" for one in service["security_opt"]]
    if "podman" in str(ENGINE):
        options.append("--read-only-tmpfs=false")  # Podman would add /var/tmp
    return options


@pytest.fixture
def volume() -> Iterator[str]:
    """A new volume for /data."""
    name = f"sima-test-{uuid.uuid4().hex}"
    engine("volume", "create", name)
    yield name
    engine("volume", "rm", "--force", name, check=False)


@contextmanager
def started(volume: str, **settings: str) -> Iterator[tuple[str, httpx2.Client]]:
    """Starts a container and waits until it is ready; yields its name and a client with a key."""
    name, port = f"sima-test-{uuid.uuid4().hex}", free_port()
    variables = [f"--env={key}={value}" for key, value in settings.items()]
    publish = f"--publish=127.0.0.1:{port}:8000"
    engine(
        "run",
        "-d",
        "--name",
        name,
        publish,
        f"-v={volume}:/data",
        *restrictions(),
        *variables,
        IMAGE,
    )
    try:
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}, timeout=60
        ) as client:
            wait_until_ready(client)
            yield name, client
            engine("stop", "-t", "30", name)
            assert engine("inspect", "--format={{.State.ExitCode}}", name).stdout.strip() == "0"
    finally:
        engine("rm", "--force", name, check=False)


def wait_until_ready(client: httpx2.Client) -> None:
    """Polls `/ready`; raises TimeoutError after two minutes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(httpx2.TransportError):
            if client.get("/ready").status_code == 200:
                return
        time.sleep(0.5)
    raise TimeoutError("the container is not ready")


def test_it_refuses_to_start_without_keys(volume: str) -> None:
    done = engine("run", "--rm", f"-v={volume}:/data", *restrictions(), IMAGE, check=False)
    assert done.returncode == 1
    [line] = [one for one in done.stderr.splitlines() if "SIMA_API_KEYS" in one]
    assert "SIMA_OPEN=yes" in line
    assert "Traceback" not in done.stderr


def test_an_open_service_says_so_in_one_line(volume: str) -> None:
    with started(volume, SIMA_OPEN="yes", SIMA_DEFAULT_VOCABULARY="") as (name, _):
        written = engine("logs", name)
        lines = (written.stdout + written.stderr).splitlines()
        [line] = [one for one in lines if '"service_starting"' in one]
        assert json.loads(line)["access"] == "everybody"


def test_people_survive_a_restart_and_deletion_completes(
    volume: str, photos: dict[str, bytes]
) -> None:
    settings = {"SIMA_API_KEYS": json.dumps({KEY: "write"}), "SIMA_HOUSEKEEPING_SECONDS": "5"}
    with started(volume, **settings) as (name, client):
        assert engine("exec", name, "id", "-u").stdout.strip() == "10001"
        assert engine("exec", name, "touch", "/opt/file", check=False).returncode != 0
        status = engine("exec", name, "cat", "/proc/1/status").stdout
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        owners = engine("exec", name, "stat", "-c", "%U:%G", "/data", "/data/sima.db").stdout
        assert owners.split() == ["sima:sima", "sima:sima"]
        client.post(
            "/enroll", files=upload(photos["obama"]), data={"name": "Barack"}
        ).raise_for_status()
        pair = {**upload(photos["obama"], "image_a"), **upload(photos["obama2"], "image_b")}
        assert client.post("/verify", files=pair).json()["verified"]
    with started(volume, **settings) as (_, client):
        [face] = client.post("/identify", files=upload(photos["obama2"])).json()["faces"]
        assert face["person"]["name"] == "Barack"
        deleted = client.delete(f"/persons/{face['person']['person_id']}")
        receipt = f"/erasures/{deleted.headers['Sima-Erasure']}"
        deadline = time.monotonic() + 60
        while client.get(receipt).json()["completed_at"] is None:
            assert time.monotonic() < deadline, "the erasure is not complete"
            time.sleep(0.5)
