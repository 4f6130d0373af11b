"""Clients that disconnect: status 499 in the metrics and the access log, without a traceback."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import skimage.data
from PIL import Image

from harness.servers import Server
from tests.conftest import encode

MULTIPART = "multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the log of the server."""
    return tmp_path_factory.mktemp("log") / "log.jsonl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[Server]:
    """A service of its own, whose log is kept."""
    wrapper = ("sh", "-c", f'exec "$@" 2> {log}', "sh")
    server = Server(tmp_path_factory.mktemp("data"), wrapper=wrapper)
    try:
        yield server.wait_until_ready()
    finally:
        server.kill()


def abort(server: Server, path: str, content_type: str, body: bytes, missing: int) -> None:
    """Sends a request without the last `missing` bytes of its body, then disconnects."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
        length = f"Content-Length: {len(body) + missing}\r\n\r\n"
        connection.sendall((head + length).encode() + body)
        time.sleep(0.1)


def counted(server: Server, path: str, seconds: float = 60.0) -> set[str]:
    """The statuses that the metrics count for a route, once there is one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lines = httpx2.get(f"{server.url}/metrics").text.splitlines()
        route = f'sima_requests_total{{method="POST",route="{path}",status="'
        found = {line.removeprefix(route)[:3] for line in lines if line.startswith(route)}
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"no request of {path} is counted")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        pytest.param("/detect", "image/jpeg", id="raw image"),
        pytest.param("/identify", MULTIPART, id="multipart"),
        pytest.param("/enroll", "application/json", id="image in JSON"),
        pytest.param("/words/nearest", "application/json", id="JSON that FastAPI reads"),
        pytest.param("/vocabularies", MULTIPART, id="file"),
    ],
)
def test_an_aborted_upload_is_status_499(
    server: Server, log: Path, path: str, content_type: str
) -> None:
    abort(server, path, content_type, b"--x\r\n", missing=10_000)
    assert counted(server, path) == {"499"}
    assert '"status": 499' in log.read_text()
    assert "unexpected_error" not in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_client_that_does_not_wait_for_the_answer_is_status_499(server: Server) -> None:
    # 256 faces, of which each is embedded, take some seconds.
    face = Image.fromarray(skimage.data.astronaut()[:220, 110:330]).resize((60, 60))
    photo = Image.new("RGB", (960, 960))
    for place in range(256):
        photo.paste(face, (60 * (place % 16), 60 * (place // 16)))
    abort(server, "/identify", "image/jpeg", encode(photo), missing=0)
    assert counted(server, "/identify") == {"499"}
    whole = httpx2.post(f"{server.url}/verify", content=b"", headers={"Content-Type": "image/jpeg"})
    assert counted(server, "/verify") == {str(whole.status_code)}
