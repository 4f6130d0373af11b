"""Bodies that arrive slowly or not at all are ended, and their memory is limited."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest

from harness.servers import Server, running

LIMIT = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that waits two seconds for a body, and holds a megabyte of bodies."""
    options = {"SIMA_CLIENT_SECONDS": "2", "SIMA_MAX_BODIES_BYTES": str(LIMIT)}
    with running(tmp_path_factory.mktemp("data"), **options) as server:
        yield server


def begin(server: Server, announced: int, sent: int, path: str = "/detect") -> socket.socket:
    """A connection that has sent the first `sent` bytes of a body of `announced` bytes."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    connection.sendall(f"{head}Content-Length: {announced}\r\n\r\n".encode() + b"x" * sent)
    return connection


def answer(connection: socket.socket) -> str:
    """The response, up to the end of the connection."""
    found = bytearray()
    while block := connection.recv(1 << 16):
        found += block
    return found.decode()


@pytest.mark.parametrize("sent", [0, 10])
def test_a_body_that_stops_is_ended(server: Server, sent: int) -> None:
    began = time.monotonic()
    with begin(server, announced=500_000, sent=sent) as connection:
        found = answer(connection)
    assert time.monotonic() - began < 15
    assert found.startswith("HTTP/1.1 408 ")
    assert "request_timeout" in found
    assert "SIMA_CLIENT_SECONDS" in found


def test_a_body_that_arrives_in_drops_is_ended(server: Server) -> None:
    began = time.monotonic()
    with begin(server, announced=500_000, sent=10) as connection:
        connection.settimeout(0.3)
        while time.monotonic() - began < 20:
            try:
                connection.sendall(b"x" * 10)
                found = connection.recv(1 << 16).decode()
                break
            except TimeoutError:
                continue
    assert found.startswith("HTTP/1.1 408 ")


def test_a_slow_body_above_the_rate_is_read(server: Server) -> None:
    with begin(server, announced=240_000, sent=0) as connection:
        for _ in range(12):
            time.sleep(0.4)
            connection.sendall(b"x" * 20_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 415 "), "it is no image"


def test_the_memory_for_bodies_is_limited(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(begin(server, announced=900_000, sent=300_000))
        time.sleep(0.5)
        image = {"Content-Type": "image/jpeg"}
        url = f"{server.url}/detect"
        refused = httpx2.post(url, content=b"x" * 300_000, headers=image, timeout=10)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) > 0
        assert httpx2.post(url, content=b"x" * 9_000, headers=image).status_code == 415
    time.sleep(0.5)
    accepted = httpx2.post(url, content=b"x" * 1_100_000, headers=image, timeout=10)
    assert accepted.status_code == 415, "a body beyond the limit is read while it is the only one"


def test_large_json_does_not_delay_other_requests(server: Server) -> None:
    body = b'{"model": "a", "input": [' + b"[]," * 8_000_000 + b"1]}"
    head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    slowest = 0.0
    with httpx2.Client() as client, socket.create_connection(("127.0.0.1", server.port)) as sender:
        sent = threading.Thread(target=sender.sendall, args=(request,))
        sent.start()
        while not select.select([sender], [], [], 0.01)[0]:
            began = time.monotonic()
            assert client.get(f"{server.url}/health", timeout=60).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert sender.recv(100).startswith(b"HTTP/1.1 413 ")
        sent.join()
    assert slowest < 1.0
