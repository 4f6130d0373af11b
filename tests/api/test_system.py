"""Health, readiness, keys, limits, ids, logs: what an operator relies on."""

import json
import logging
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app import __version__
from app.api.problems import STATUS
from app.logs import configure_logs
from tests.conftest import MakeClient, enroll, services_of, upload

Photos = dict[str, bytes]


def test_it_lives_and_says_what_it_runs(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready").json()
    assert ready["status"] == "ready"
    assert ready["model"] == "sima-face-2"
    assert ready["detector"] == "mtcnn"
    assert ready["providers"][-1] == "CPUExecutionProvider"
    assert client.get("/version").json()["version"] == __version__
    [model] = [m for m in client.get("/models").json()["models"] if m["active"]]
    assert model["manifest"]["licence"] == "Apache-2.0"
    assert model["manifest"]["calibration"]["fmr"]


def test_not_ready_when_the_store_is_gone(make_client: MakeClient) -> None:
    client = make_client()
    database = services_of(client).database
    with database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE collections RENAME TO lost")
    for path in ("/ready", "/persons"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert client.get("/health").status_code == 200
    with database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE lost RENAME TO collections")
    assert client.get("/ready").status_code == 200


def test_keys_open_doors_by_role(make_client: MakeClient, photos: Photos) -> None:
    client = make_client(api_keys={"reader-key": "read", "writer-key": "write"})
    photo = upload(photos["astronaut"])
    assert client.get("/health").status_code == 200
    for headers in ({}, {"X-API-Key": "wrong"}):
        refused = client.get("/persons", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        assert "WWW-Authenticate" in refused.headers
    reader, writer = {"X-API-Key": "reader-key"}, {"X-API-Key": "writer-key"}
    assert client.get("/persons", headers=reader).status_code == 200
    refused = client.post("/enroll", files=photo, data={"name": "E"}, headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (
        client.post("/enroll", files=photo, data={"name": "E"}, headers=writer).status_code == 201
    )


def test_too_many_requests_are_told_when_to_come_back(make_client: MakeClient) -> None:
    client = make_client(rate_limit="3/minute")
    statuses = [client.get("/persons").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = client.get("/persons")
    assert refused.json()["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/health").status_code == 200


def test_every_answer_carries_a_request_id(client: TestClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == (
        "abc-1"
    )
    forged = client.get("/health", headers={"X-Request-ID": "a b\tc"}).headers["X-Request-ID"]
    assert forged != "a b\tc"
    missing = client.get("/persons/nobody")
    assert missing.json()["request_id"] == missing.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nothing", 404, "not_found"), ("PUT", "/persons", 405, "method_not_allowed")],
)
def test_even_the_routers_errors_are_problems(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards as it was."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    yield root
    root.handlers, root.level = before


def test_a_bug_is_a_500_without_a_traceback(
    make_client: MakeClient,
    photos: Photos,
    root_logger: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = make_client()
    configure_logs("info")
    # What no request can do, a bug can.
    monkeypatch.setattr(services_of(client).pipeline.detector, "detect", None)
    answer = client.post("/detect", files=upload(photos["astronaut"]))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [error] = [line for line in lines if line["event"] == "unexpected_error"]
    assert error["request_id"] == answer.json()["request_id"]
    assert "TypeError" in json.dumps(error["exception"])


def test_logs_hold_no_name_and_no_word(
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


def test_the_document_names_every_error_code(client: TestClient) -> None:
    document = json.dumps(client.get("/openapi.json").json()["paths"])
    for code in STATUS:
        assert code in document or code == "internal_error"
