"""Fixtures of the API tests."""

import pytest
from fastapi.testclient import TestClient

from app.commands.setup import ensure_schema, ensure_vocabulary
from tests.conftest import MakeClient, make_settings


@pytest.fixture(scope="module")
def words(make_client: MakeClient, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A client of an application with the default vocabulary, imported as `sima serve` does."""
    folder = tmp_path_factory.mktemp("words")
    settings = make_settings(folder)
    ensure_schema(settings)
    ensure_vocabulary(settings)
    return make_client(folder)


@pytest.fixture
def gallery(client: TestClient) -> TestClient:
    """The client of the module after its default gallery was deleted."""
    client.delete("/collections/default")
    return client
