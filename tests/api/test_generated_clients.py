"""Clients generated from the OpenAPI document: they are built, and call a server process."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.api.uploads import RAW_TYPES
from harness.servers import Server
from tests.api.generated_client_programs import PYTHON_PROGRAM, TYPESCRIPT_PROGRAM
from tests.compat.client_process import Json, run

KEY = "generated-clients"
PYTHON = "openapi-python-client==0.29.1"
TYPESCRIPT = (
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "typescript@5.9.3",
    "@types/node@22.19.1",
)
OPTIONAL = "--default-non-nullable=false"
"""A field of a request that has a default may be left out."""
COMPILE = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server process with a key."""
    keys = json.dumps({KEY: "write"})
    data = tmp_path_factory.mktemp("data")
    running = Server(data, SIMA_API_KEYS=keys, SIMA_DEFAULT_VOCABULARY="").wait_until_ready()
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path: Path, photos: dict[str, bytes], server: Server) -> Path:
    """A folder with photos, the OpenAPI document, and nobody enrolled."""
    for name in ("obama", "obama2", "biden"):
        (tmp_path / f"{name}.jpg").write_bytes(photos[name])
    with httpx2.Client(base_url=server.url, headers={"X-API-Key": KEY}) as client:
        (tmp_path / "openapi.json").write_bytes(client.get("/openapi.json").content)
        client.delete("/collections/default")
    return tmp_path


def check(found: Json) -> None:
    """Checks the answers that both clients have received."""
    assert found["detected"] == 1
    assert found["decisions"] == ["match", "match", "unknown"]
    assert found["names"] == ["Barack", "Barack", None]
    assert found["verified"] == [True, False]
    assert found["listed"] == [["Obama", {"party": "D"}]]
    assert found["neighbors"] == ["juice"]
    assert found["embedding"] == [0.0, 1.0]
    assert found["labels"] == ["engine", "orange"]
    assert found["refused"] == [404, "person_not_found"]
    assert found["left"] == 0


@pytest.mark.slow
def test_the_python_client(server: Server, folder: Path) -> None:
    packages = folder / "packages"
    install = ("-m", "pip", "install", "--quiet", "--target", str(packages), PYTHON)
    subprocess.run([sys.executable, *install], check=True, timeout=300)
    raw = dict.fromkeys(RAW_TYPES, "application/octet-stream")
    (folder / "config.yml").write_text(json.dumps({"content_type_overrides": raw}))
    generate = ("-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta")
    options = (
        "none",
        "--output-path",
        "sima_client",
        "--config",
        "config.yml",
        "--fail-on-warning",
    )
    done = subprocess.run(
        [sys.executable, *generate, *options],
        cwd=folder,
        env={"PYTHONPATH": str(packages), "PATH": f"{packages / 'bin'}"},  # it formats with ruff
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "program.py").write_text(PYTHON_PROGRAM)
    command = (sys.executable, "program.py", server.url, KEY)
    check(run(*command, folder=folder, PYTHONPATH=str(packages)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm")
def test_the_typescript_types(server: Server, folder: Path) -> None:
    install = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *TYPESCRIPT)
    (folder / "program.mts").write_text(TYPESCRIPT_PROGRAM)
    for command in (
        install,
        ("npx", "openapi-typescript", "openapi.json", "--output", "api.d.ts", OPTIONAL),
        ("npx", "tsc", *COMPILE, "program.mts"),
    ):
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
    check(run("node", "program.mjs", server.url, KEY, folder=folder))
