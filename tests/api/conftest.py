"""What several parts of the API are tested with."""

import pytest
from fastapi.testclient import TestClient

from app.commands.setup import ensure_schema, ensure_vocabulary
from tests.conftest import MakeClient, make_settings


@pytest.fixture(scope="module")
def words(make_client: MakeClient, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """An application with the default vocabulary, imported as `make serve` does."""
    folder = tmp_path_factory.mktemp("words")
    settings = make_settings(folder)
    ensure_schema(settings)
    ensure_vocabulary(settings)
    return make_client(folder)
