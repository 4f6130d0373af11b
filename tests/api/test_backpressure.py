"""Requests beyond what the service can answer in time are refused at once; probes never wait."""

import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx2
import pytest
import skimage.data
from PIL import Image

from harness.servers import Server, running
from tests.conftest import MakeClient, encode, upload

Photos = dict[str, bytes]

WAITING = 2
IMAGE = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A photo of 256 faces, which is sent at once and takes some seconds."""
    face = Image.fromarray(skimage.data.astronaut()[:220, 110:330]).resize((60, 60))
    photo = Image.new("RGB", (960, 960))
    for row in range(16):
        for column in range(16):
            photo.paste(face, (60 * column, 60 * row))
    return encode(photo)


@pytest.fixture(scope="module")
def small() -> bytes:
    """A photo without a face that is sent in no time."""
    return encode(Image.new("RGB", (100, 100), "grey"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, slow: bytes) -> Iterator[Server]:
    """A service with one thread for photos, which has measured how long they take."""
    options = {"SIMA_CONCURRENCY": "1", "SIMA_MAX_WAITING": str(WAITING)}
    with running(tmp_path_factory.mktemp("data"), **options) as server:
        for _ in range(2):
            identify(server, slow)
        yield server


def identify(server: Server, photo: bytes, **headers: str) -> tuple[httpx2.Response, float]:
    """The response of `/identify` and its duration in seconds."""
    with httpx2.Client(timeout=600) as client:
        began = time.monotonic()
        answer = client.post(f"{server.url}/identify", content=photo, headers={**IMAGE, **headers})
        return answer, time.monotonic() - began


def counted(server: Server, start: str) -> float:
    """The sum of the metrics that start so."""
    lines = httpx2.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


def wait_for(server: Server, metric: str, value: float) -> None:
    """Waits until the metric has the value."""
    deadline = time.monotonic() + 60
    while counted(server, metric) != value:
        assert time.monotonic() < deadline, f"{metric} is not {value}"
        time.sleep(0.02)


@contextmanager
def busy(server: Server, photo: bytes, waiting: int) -> Iterator[list[Future[int]]]:
    """Runs the block while one request for a photo is processed and that many wait."""
    with ThreadPoolExecutor(waiting + 1) as pool:
        sent = []
        for number in range(waiting + 1):
            sent.append(pool.submit(lambda: identify(server, photo)[0].status_code))
            if number:
                wait_for(server, "sima_queue_length ", number)
            else:
                time.sleep(0.1)
        yield sent
        assert [one.result() for one in sent] == [200] * (waiting + 1)


def test_requests_beyond_the_queue_are_refused_at_once(
    server: Server, slow: bytes, small: bytes
) -> None:
    durations: list[float] = []
    health: list[float] = []
    with httpx2.Client(headers=IMAGE, timeout=60) as client, busy(server, slow, WAITING) as others:
        while len(durations) < 10:
            began = time.monotonic()
            refused = client.post(f"{server.url}/identify", content=small)
            seconds = time.monotonic() - began
            if others[0].done():
                break  # the queue has a free place
            durations.append(seconds)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert 0 < int(refused.headers["Retry-After"]) <= 60
            began = time.monotonic()
            client.get(f"{server.url}/health")
            health.append(time.monotonic() - began)
    assert min(durations) < max(0.05, 10 * min(health)), "10: on a machine that runs many tests"


def test_a_request_that_cannot_meet_its_deadline_is_refused_at_once(
    server: Server, slow: bytes, small: bytes
) -> None:
    _, seconds = identify(server, slow)
    short = f"{seconds / 2:.6f}"
    with busy(server, slow, waiting=1) as others:
        refused, waited = identify(server, small, **{"X-Request-Timeout": short})
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert "X-Request-Timeout" in refused.json()["detail"]
        assert not all(other.done() for other in others), waited
        patient, _ = identify(server, slow, **{"X-Request-Timeout": "3000"})
        assert patient.status_code == 200


def test_a_request_ends_between_two_stages_after_its_deadline(server: Server, slow: bytes) -> None:
    began = counted(server, 'sima_stage_seconds_count{stage="detect"}')
    late, _ = identify(server, slow, **{"X-Request-Timeout": "0.001"})
    assert (late.status_code, late.json()["code"]) == (503, "overloaded")
    assert counted(server, 'sima_stage_seconds_count{stage="detect"}') == began


def test_a_refused_request_is_answered_before_its_body_arrives(server: Server, slow: bytes) -> None:
    with (
        busy(server, slow, WAITING),
        socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection,
    ):
        head = "POST /identify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        head += "X-Request-Timeout: 0.01\r\n"
        connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 503 ")


def test_of_requests_that_arrive_together_most_are_refused_before_their_bodies(
    server: Server,
) -> None:
    """Without a limit of those that are announced, all of their bodies would be read."""
    head = b"POST /identify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    with ExitStack() as stack:
        sent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            for _ in range(30)
        ]
        for connection in sent:
            connection.sendall(head + b"Content-Length: 1000000\r\n\r\n")
        answered, _, _ = select.select(sent, [], [], 60)
        assert answered, "all of them wait"
        for connection in answered:
            assert connection.recv(100).startswith(b"HTTP/1.1 503 ")


def test_probes_and_writes_do_not_wait_for_photos(server: Server, slow: bytes) -> None:
    durations: list[float] = []
    with (
        httpx2.Client(base_url=server.url, timeout=60) as client,
        busy(server, slow, WAITING) as others,
    ):
        for path in ("/health", "/ready") * 3:
            began = time.monotonic()
            assert client.get(path).status_code == 200
            durations.append(time.monotonic() - began)
        assert client.post("/collections", json={"name": "a"}).status_code == 201
        assert not all(other.done() for other in others)
    assert min(durations) < 0.1


def test_the_photo_of_a_client_that_has_left_is_not_searched(
    server: Server, slow: bytes, photos: Photos
) -> None:
    photo = photos["astronaut"]
    head = "POST /identify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    request = f"{head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo
    searched = 'sima_stage_seconds_count{stage="search"}'
    left = 'sima_requests_total{method="POST",route="/identify",status="499"}'
    searches, leavers = counted(server, searched), counted(server, left)
    with busy(server, slow, waiting=0):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(request)
            wait_for(server, "sima_queue_length ", 1)
        wait_for(server, "sima_queue_length ", 0)
        wait_for(server, left, leavers + 1)
    identify(server, slow)  # would be processed after the photo
    assert counted(server, searched) == searches + 2, "one before and one after the photo"


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf"])
def test_an_invalid_timeout_is_refused(server: Server, value: str) -> None:
    refused = httpx2.get(f"{server.url}/persons", headers={"X-Request-Timeout": value})
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    assert refused.json()["errors"][0]["where"] == "X-Request-Timeout"


def test_a_client_cannot_extend_the_deadline_of_the_settings(
    make_client: MakeClient, photos: Photos
) -> None:
    client = make_client(request_seconds=0.001)
    headers = {"X-Request-Timeout": "60"}
    refused = client.post("/detect", files=upload(photos["astronaut"]), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert "0.001 s" in refused.json()["detail"]
    assert client.get("/health").status_code == 200
