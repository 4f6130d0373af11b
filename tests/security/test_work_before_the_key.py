"""A request without a valid key is refused before its body is read."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.servers import Server
from tests.conftest import MakeClient

OPEN_TO_ANYBODY = {"/health", "/ready", "/models", "/version"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that requires keys."""
    folder: Path = tmp_path_factory.mktemp("keys")
    server = Server(folder, SIMA_API_KEYS=json.dumps({"reader-key-12345": "read"}))
    try:
        yield server.wait_until_ready()
    finally:
        server.kill()


def status_without_body(server: Server, path: str, headers: str = "") -> int:
    """Status of a POST request that announces 18 MB and sends none of them."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: sima\r\nContent-Type: application/json\r\n{headers}"
        connection.sendall(f"{head}Content-Length: 18000000\r\n\r\n".encode())
        return int(connection.recv(100).split()[1])


@pytest.mark.parametrize(
    "path", ["/enroll", "/enroll/batch", "/v1/embeddings", "/zero-shot/projections", "/verify"]
)
def test_a_missing_key_is_answered_before_the_body_arrives(server: Server, path: str) -> None:
    began = time.monotonic()
    assert status_without_body(server, path) == 401
    assert time.monotonic() - began < 5


def test_an_insufficient_role_is_answered_before_the_body_arrives(server: Server) -> None:
    key = "X-API-Key: reader-key-12345\r\n"
    assert status_without_body(server, "/enroll/batch", key) == 403
    bearer = "Authorization: Bearer reader-key-12345\r\n"
    assert status_without_body(server, "/enroll", bearer) == 403


def test_every_operation_requires_a_key_unless_it_is_open(make_client: MakeClient) -> None:
    client = make_client(api_keys={"reader-key-12345": "read"})
    paths = client.get("/openapi.json").json()["paths"]
    operations = [(method, path) for path, methods in paths.items() for method in methods]
    assert len(operations) > 30
    for method, path in operations:
        answer = client.request(method.upper(), path)
        assert (answer.status_code == 401) == (path not in OPEN_TO_ANYBODY), (method, path)


def test_the_rate_limit_counts_refused_requests(make_client: MakeClient) -> None:
    client = make_client(rate_limit="3/minute", api_keys={"reader-key-12345": "read"})
    found = [client.get("/persons", headers={"X-API-Key": f"guess {n}"}) for n in range(5)]
    assert [answer.status_code for answer in found] == [401, 401, 401, 429, 429]


def test_invented_keys_do_not_evade_the_rate_limit_of_an_open_service(
    make_client: MakeClient,
) -> None:
    client = make_client(rate_limit="3/minute")
    found = [client.get("/persons", headers={"X-API-Key": f"new {n}"}) for n in range(5)]
    assert [answer.status_code for answer in found] == [200, 200, 200, 429, 429]
