"""Clients that do not read their response keep neither database connections nor deleted bytes."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import numpy as np
import pytest
from sqlalchemy import text

from harness.servers import Server, running
from tests.conftest import MakeClient, services_of
from tests.store.data_folder import files_with

CLIENTS = 31  # more than the database connections of a process
DIMENSION = 512
EXPORT = "/vocabularies/x/export?format=word2vec-binary"
SECRET = "erased-word-of-a-person"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the server."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the server."""
    return tmp_path_factory.mktemp("log") / "sima.log"


@pytest.fixture(scope="module")
def server(folder: Path, log: Path) -> Iterator[Server]:
    """A service whose clients must read within two seconds; its vocabulary `x` has 6 MB."""
    options = {"SIMA_HOUSEKEEPING_SECONDS": "0.5", "SIMA_CLIENT_SECONDS": "2"}
    with running(folder, log=str(log), **options) as server:
        upload(server, "x", [f"word{n}" for n in range(3_000)])
        yield server


def upload(server: Server, name: str, words: list[str]) -> None:
    """Creates a vocabulary with random vectors."""
    vectors = np.random.default_rng(7).normal(size=(len(words), DIMENSION)).astype("<f4")
    rows = (w.encode() + b" " + v.tobytes() + b"\n" for w, v in zip(words, vectors, strict=True))
    file = f"{len(words)} {DIMENSION}\n".encode() + b"".join(rows)
    url = f"{server.url}/vocabularies"
    answer = httpx2.post(url, data={"name": name}, files={"file": file}, timeout=60)
    assert answer.status_code == 201, answer.text


def begin_export(server: Server, buffer: int) -> socket.socket:
    """A connection that has asked for an export and reads nothing but its first bytes.

    The operating system receives about `buffer` bytes that are not read.
    """
    connection = socket.socket()
    connection.settimeout(60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(f"GET {EXPORT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection


def received(connection: socket.socket) -> bytes:
    """What arrives until the server ends the connection."""
    found = bytearray()
    try:
        while block := connection.recv(1 << 20):
            found += block
    except ConnectionResetError:
        pass
    return bytes(found)


def test_exports_without_a_reader_take_no_database_connection(
    server: Server, folder: Path, log: Path
) -> None:
    upload(server, "small", [SECRET])
    assert files_with(folder, SECRET.encode())
    with ExitStack() as stack:
        connections = [stack.enter_context(begin_export(server, 4_096)) for _ in range(CLIENTS)]
        assert httpx2.get(f"{server.url}/persons", timeout=10).status_code == 200
        deleted = httpx2.delete(f"{server.url}/collections/small", timeout=10)
        url = f"{server.url}/erasures/{deleted.headers['Sima-Erasure']}"
        deadline = time.monotonic() + 20
        while (receipt := httpx2.get(url).json())["completed_at"] is None:
            assert time.monotonic() < deadline, "the bytes are not purged"
            time.sleep(0.1)
        assert receipt["erased_at"] < receipt["completed_at"]
        assert files_with(folder, SECRET.encode()) == []
        deadline = time.monotonic() + 60
        while log.read_text().count("client_stopped_reading") < CLIENTS:
            assert time.monotonic() < deadline, "not every connection was closed"
            time.sleep(0.1)
        for connection in connections:
            assert not received(connection).endswith(b"0\r\n\r\n"), "the response ended early"
    whole = httpx2.get(f"{server.url}{EXPORT}", timeout=60).content
    assert whole.startswith(f"3000 {DIMENSION}\nword0 ".encode())
    assert len(whole) > 3_000 * DIMENSION * 4


def test_a_client_that_reads_slowly_receives_everything(server: Server) -> None:
    with begin_export(server, 1 << 16) as connection:
        for _ in range(4):
            time.sleep(1)
            assert len(connection.recv(1 << 16)) > 1_000
        assert received(connection).endswith(b"0\r\n\r\n")


def test_an_export_during_which_words_are_deleted_is_incomplete(server: Server) -> None:
    with begin_export(server, 1 << 16) as connection:
        assert httpx2.delete(f"{server.url}/vocabularies/x/words/word2999").status_code == 204
        found = received(connection)
    assert not found.endswith(b"0\r\n\r\n")


def test_a_receipt_is_incomplete_while_a_transaction_keeps_deleted_bytes(
    make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data"
    client = make_client(folder, default_vocabulary="")
    services = services_of(client)
    file = f"{SECRET} 1 2\n".encode()
    assert client.post("/vocabularies", data={"name": "x"}, files={"file": file}).status_code == 201
    with services.database.read() as session:
        session.execute(text("SELECT count(*) FROM collections"))
        deleted = client.delete("/collections/x")
        url = f"/erasures/{deleted.headers['Sima-Erasure']}"
        began = time.monotonic()
        with caplog.at_level(logging.WARNING):
            assert not services.housekeeper.run()
        assert time.monotonic() - began < 10
        assert "wal_not_truncated" in caplog.text
        assert client.get(url).json()["completed_at"] is None
        assert files_with(folder, SECRET.encode()) != []
    before = client.get(url).json()
    assert services.housekeeper.run()
    after = client.get(url).json()
    assert files_with(folder, SECRET.encode()) == []
    assert after["completed_at"] > after["erased_at"]
    assert after["digest"] != before["digest"]
