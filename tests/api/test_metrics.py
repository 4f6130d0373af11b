"""Prometheus metrics: of the faces, the store, all workers, and those that the dashboard shows."""

import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from app.api.worker_metrics import shared_metrics
from app.settings import PROJECT
from harness.servers import Server
from tests.conftest import MakeClient, enroll, upload

Photos = dict[str, bytes]

DASHBOARD = PROJECT / "docs" / "monitoring" / "grafana.json"
FOLDERS = "sima-metrics-*"


def value(text: str, sample: str) -> float:
    """The value of one line of the metrics, 0 if there is none."""
    found = [line for line in text.splitlines() if line.startswith(f"{sample} ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


@pytest.fixture(scope="module")
def used(make_client: MakeClient, photos: Photos) -> TestClient:
    """A service that has made decisions of every kind of operation."""
    client = make_client()
    person = enroll(client, photos["astronaut"], "Eileen")["person_id"]
    client.post("/identify", files=upload(photos["astronaut"]))
    client.post("/identify", files=upload(photos["obama"]))
    client.post("/verify", files=upload(photos["obama"]), data={"person_id": person})
    return client


def test_decisions_are_counted_by_operation(used: TestClient) -> None:
    text = used.get("/metrics").text
    for operation, decision in (
        ("enroll", "enrolled"),
        ("identify", "match"),
        ("identify", "unknown"),
        ("verify", "no_match"),
    ):
        sample = f'sima_decisions_total{{decision="{decision}",operation="{operation}"}}'
        assert value(text, sample) == 1.0, sample


def test_the_request_for_metrics_is_in_progress(used: TestClient) -> None:
    text = used.get("/metrics").text
    assert value(text, "sima_requests_in_progress") == 1.0
    assert value(text, "sima_queue_length") == 0.0


def test_every_metric_of_the_dashboard_is_exported(used: TestClient) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    shown = set(re.findall(r"\bsima_\w+", " ".join(queries)))
    text = used.get("/metrics").text
    exported = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines()}
    assert len(shown) > 7
    assert shown <= exported
    labels = set(re.findall(r"(\w+)=~?\"", " ".join(queries))) - {"job"}
    labels |= set(re.findall(r"\{\{(\w+)\}\}", DASHBOARD.read_text(encoding="utf-8")))
    assert labels <= set(re.findall(r"(\w+)=\"", text))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    yield folder
    monkeypatch.undo()
    tempfile.tempdir = None


def test_every_worker_reports_the_requests_of_all(temporary: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--workers", "2")
    try:
        server.wait_until_ready()
        for _ in range(20):  # on connections of their own, so that both workers answer some
            httpx2.get(f"{server.url}/persons")
        time.sleep(0.5)
        sample = 'sima_requests_total{method="GET",route="/persons",status="200"}'
        texts = [httpx2.get(f"{server.url}/metrics").text for _ in range(10)]
        assert {value(text, sample) for text in texts} == {20.0}
        assert value(texts[-1], 'sima_entries{kind="gallery"}') == 0.0
        [folder] = temporary.glob(FOLDERS)
        assert len(list(folder.glob("counter_*.db"))) == 2, "both workers answered requests"
        assert folder.stat().st_mode & 0o077 == 0
        assert server.stop() is not None
        assert not list(temporary.glob(FOLDERS))
    finally:
        server.kill()


def test_folders_of_killed_services_are_deleted(temporary: Path) -> None:
    abandoned = temporary / "sima-metrics-999999999-a"
    abandoned.mkdir()
    with shared_metrics(workers=1):
        assert abandoned.exists()
    with shared_metrics(workers=2):
        assert not abandoned.exists()
        assert len(list(temporary.glob(FOLDERS))) == 1
    assert not list(temporary.glob(FOLDERS))
