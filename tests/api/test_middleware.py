"""Request ids, the access log, metrics and unexpected errors."""

import json
import logging
from collections.abc import Iterator
from typing import Any

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


def access_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["event"] == "request_finished"]


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
    client.get("/collections/default", headers={"X-Request-ID": "abc-1"})
    [line] = access_lines(capsys)
    assert line["milliseconds"] >= 0.0
    expected = {
        "logger": "sima.access",
        "level": "info",
        "request_id": "abc-1",
        "key_id": None,
        "address": "testclient",
        "method": "GET",
        "route": "/collections/{name}",
        "collection": "default",
        "status": 200,
    }
    assert {field: line[field] for field in expected} == expected


def test_the_access_log_names_key_and_collection_but_no_probes(
    make_client: MakeClient,
    photos: Photos,
    root_logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = make_client(api_keys={"first": "read", "second": "write"}, default_vocabulary="")
    configure_logs("info")
    for path in ("/health", "/ready", "/metrics"):
        client.get(path)
    reader, writer = {"X-API-Key": "first"}, {"X-API-Key": "second"}
    face = upload(photos["astronaut"])
    created = client.post("/enroll", files=face, data={"name": "Eileen"}, headers=writer).json()
    client.post("/identify", files=face, headers=reader)
    client.get("/persons", headers=reader)
    client.get("/persons", params={"collection": "Eileen"}, headers=reader)
    person = f"/persons/{created['person_id']}"
    client.get(person, headers=reader)
    client.delete(person, headers=reader)
    client.delete(person, headers=writer)
    client.get("/persons", headers={"X-API-Key": "third"})
    lines = access_lines(capsys)
    assert [(line["key_id"], line["collection"], line["status"]) for line in lines] == [
        ("setting-2", "default", 201),
        ("setting-1", "default", 200),
        ("setting-1", "default", 200),
        ("setting-1", None, 404),  # a client could write any text into the log
        ("setting-1", "default", 200),
        ("setting-1", None, 403),
        ("setting-2", "default", 204),
        (None, None, 401),
    ]
    assert {line["address"] for line in lines} == {"testclient"}


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
    assert 'sima_requests_total{method="POST",route="/identify",status="200"}' in text
    assert 'sima_stage_seconds_count{stage="embed"}' in text
