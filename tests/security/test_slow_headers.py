"""Headers that arrive slowly or without end are refused, and the connection is closed."""

import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import httpx2
import pytest

from harness.servers import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that waits two seconds for a client."""
    with running(tmp_path_factory.mktemp("data"), SIMA_CLIENT_SECONDS="2") as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def problem(connection: socket.socket) -> tuple[int, str]:
    """Status and code of the response, after which the connection must end."""
    found = bytearray()
    while block := connection.recv(1 << 16):
        found += block
    head, _, body = found.decode().partition("\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["code"]


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: loc"])
def test_headers_that_stop_are_refused(server: Server, sent: bytes) -> None:
    began = time.monotonic()
    with connect(server) as connection:
        connection.sendall(sent)
        assert problem(connection) == (408, "request_timeout")
    assert 1.5 < time.monotonic() - began < 15


def test_headers_that_arrive_in_drops_are_refused(server: Server) -> None:
    began = time.monotonic()
    with connect(server) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        connection.settimeout(0.3)
        while time.monotonic() - began < 20:
            try:
                connection.sendall(b"a: b\r\n")
                found = connection.recv(1 << 16)
                break
            except TimeoutError:
                continue
    assert found.startswith(b"HTTP/1.1 408 ")


def test_headers_without_end_are_refused(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n" + b"a: bcdefgh\r\n" * 7_000)
        assert problem(connection) == (431, "headers_too_large")


def test_a_second_request_of_a_connection_is_timed_too(server: Server) -> None:
    client = HTTPConnection("127.0.0.1", server.port, timeout=30)
    for idle in (2.5, 0.0):  # an idle connection may wait longer than headers may take
        client.request("GET", "/health")
        with client.getresponse() as response:
            assert (response.status, response.read()) == (200, b'{"status":"ok"}')
        time.sleep(idle)
    client.sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
    assert problem(client.sock) == (408, "request_timeout")
    client.close()


def test_slow_headers_keep_nobody_waiting(server: Server) -> None:
    connections = [connect(server) for _ in range(100)]
    for connection in connections:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
    assert httpx2.get(f"{server.url}/health").status_code == 200
    time.sleep(2.5)
    for connection in connections:
        assert problem(connection)[0] == 408
        connection.close()
