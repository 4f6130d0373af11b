"""Request ids, the access log, metrics and unexpected errors."""

import json
import logging
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.logs import configure_logs
from tests.conftest import MakeClient, enroll, services_of, upload

Photos = dict[str, bytes]


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger; its handlers and level are restored after the test."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    yield root
    root.handlers, root.level = before


def test_every_response_has_a_request_id(client: TestClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == (
        "abc-1"
    )
    forged = client.get("/health", headers={"X-Request-ID": "a b\tc"}).headers["X-Request-ID"]
    assert forged != "a b\tc"
    missing = client.get("/persons/nobody")
    assert missing.json()["request_id"] == missing.headers["X-Request-ID"]


def test_an_unexpected_error_is_a_500_without_a_traceback(
    make_client: MakeClient,
    photos: Photos,
    root_logger: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = make_client()
    configure_logs("info")
    monkeypatch.setattr(services_of(client).pipeline.detector, "detect", None)
    answer = client.post("/detect", files=upload(photos["astronaut"]))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [error] = [line for line in lines if line["event"] == "unexpected_error"]
    assert error["request_id"] == answer.json()["request_id"]
    assert "TypeError" in json.dumps(error["exception"])


def test_the_access_log_has_named_fields(
    client: TestClient, root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("info")
    client.get("/health", headers={"X-Request-ID": "abc-1"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [line for line in lines if line["event"] == "request_finished"]
    assert line["milliseconds"] >= 0.0
    fields = ("logger", "level", "request_id", "method", "route", "status")
    assert [line[field] for field in fields] == [
        "sima.access",
        "info",
        "abc-1",
        "GET",
        "/health",
        200,
    ]


def test_logs_contain_neither_names_nor_words(
    make_client: MakeClient,
    photos: Photos,
    root_logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = make_client()
    configure_logs("info")
    enroll(client, photos["astronaut"], "Eileen Collins", metadata='{"badge": "B-12"}')
    client.post("/identify", files=upload(photos["astronaut"]))
    client.get("/words/clandestine")
    client.get("/persons", params={"name": "Eileen Collins"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    ours = [line for line in lines if not line["logger"].startswith("httpx")]  # the test's client
    assert {"/enroll", "/identify", "/words/{word}", "/persons"} <= {
        line.get("route") for line in ours
    }
    for secret in ("Eileen", "Collins", "B-12", "clandestine"):
        assert secret not in json.dumps(ours)


def test_metrics_count_requests_and_stages(client: TestClient, photos: Photos) -> None:
    timed = client.post("/identify", files=upload(photos["astronaut"]))
    stages = [part.split(";")[0].strip() for part in timed.headers["Server-Timing"].split(",")]
    assert stages == ["decode", "detect", "align", "embed", "search"]
    text = client.get("/metrics").text
    assert 'sima_requests_total{route="/identify",status="200"}' in text
    assert 'sima_stage_seconds_count{stage="embed"}' in text
