"""Rate limits over HTTP: several workers, addresses, guessed keys, and a storage that fails."""

import json
import logging
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from app.commands.setup import ensure_schema
from app.main import create_app
from harness.servers import free_port, running
from tests.conftest import MakeClient, make_settings

KEYS = {"reader-key-12345": "read", "another-key-12345": "read"}


def statuses(client: TestClient, key: str | None, requests: int) -> list[int]:
    """Statuses of requests with this key."""
    headers = {"X-API-Key": key} if key else {}
    return [client.get("/persons", headers=headers).status_code for _ in range(requests)]


def test_two_workers_allow_what_one_allows(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2", SIMA_RATE_LIMIT="10/day") as server:
        found = Counter(  # each on a connection of its own, so that both workers answer some
            httpx2.get(f"{server.url}/persons").status_code for _ in range(30)
        )
    assert found == {200: 10, 429: 20}


def test_two_services_on_one_data_folder_share_a_limit(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, rate_limit="6/day")
    ensure_schema(settings)
    found: Counter[int] = Counter()
    with TestClient(create_app(settings)) as first, TestClient(create_app(settings)) as second:
        for client in (first, second) * 2:
            found.update(statuses(client, None, 4))
    assert found == {200: 6, 429: 10}


def test_the_limit_of_an_address_counts_all_its_keys(make_client: MakeClient) -> None:
    client = make_client(api_keys=KEYS, rate_limit_address="5/day", rate_limit="4/day")
    assert statuses(client, "reader-key-12345", 5) == [200] * 4 + [429]
    assert statuses(client, "another-key-12345", 2) == [429] * 2, "five requests of the address"
    assert client.get("/health").status_code == 200


def test_failed_authentication_slows_down_and_is_then_refused(make_client: MakeClient) -> None:
    client = make_client(api_keys=KEYS, rate_limit_failures="20/day")
    assert statuses(client, "reader-key-12345", 1) == [200]
    began = time.monotonic()
    assert statuses(client, None, 10) == [401] * 10
    assert statuses(client, "a guess", 12) == [401] * 10 + [429] * 2
    assert time.monotonic() - began > 0.002 * sum(range(21))
    refused = client.get("/persons", headers={"X-API-Key": "another-key-12345"})
    assert refused.status_code == 429, "a right guess is not distinguished from a wrong one"
    assert int(refused.headers["Retry-After"]) > 0
    assert statuses(client, "reader-key-12345", 2) == [200] * 2, "it was used before the guesses"


def test_without_its_storage_each_worker_counts_for_itself(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"redis://:sk-secret@127.0.0.1:{free_port()}/0"
    client = make_client(rate_limit="3/day", rate_limit_storage=url)
    with caplog.at_level(logging.ERROR):
        assert statuses(client, None, 5) == [200] * 3 + [429] * 2
    assert caplog.text.count("rate_limit_storage_failed") == 1
    assert "sk-secret" not in caplog.text


def test_no_storage_is_opened_without_a_limit(make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client(tmp_path, api_keys=KEYS)
    assert statuses(client, "reader-key-12345", 3) == [200] * 3
    assert not list(tmp_path.glob("rate-limits*"))
    assert statuses(client, "a guess", 1) == [401]
    names = {file.name for file in tmp_path.glob("rate-limits*")}
    assert "rate-limits.db" in names
    content = b"".join(file.read_bytes() for file in tmp_path.glob("rate-limits*"))
    assert b"testclient" not in content, "addresses are stored as digests"
    assert json.dumps(KEYS).encode() not in content
