"""Health, readiness, models and versions."""

from fastapi.testclient import TestClient

from app import __version__
from tests.conftest import MakeClient, services_of
from tests.models import SHIPPED


def test_health_readiness_models_and_version(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready").json()
    assert ready["status"] == "ready"
    assert ready["model"] == SHIPPED.name
    assert ready["detector"] == "mtcnn"
    assert ready["providers"][-1] == "CPUExecutionProvider"
    assert client.get("/version").json()["version"] == __version__
    [model] = [m for m in client.get("/models").json()["models"] if m["active"]]
    assert model["manifest"]["licence"] == "Apache-2.0"
    assert model["manifest"]["calibration"]["fmr"]


def test_the_service_is_not_ready_without_its_tables(make_client: MakeClient) -> None:
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
