"""Fixtures of the tests with clients of other services."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.crypto.keyring import new_key
from tests.conftest import MakeClient


@pytest.fixture
def folder(tmp_path: Path, photos: dict[str, bytes]) -> Path:
    """A folder with photos of people, and `nobody.jpg` without a face."""
    for name in ("obama", "obama2", "obama3", "biden"):
        (tmp_path / f"{name}.jpg").write_bytes(photos[name])
    (tmp_path / "nobody.jpg").write_bytes(photos["coffee"])
    return tmp_path


@pytest.fixture(scope="module")
def compreface_service(make_client: MakeClient) -> TestClient:
    """A service that offers CompreFace's API and stores photos."""
    return make_client(compat="compreface", store_photos=True, encryption_keys=new_key())


@pytest.fixture
def compreface(compreface_service: TestClient) -> TestClient:
    """The service with an empty gallery."""
    compreface_service.delete("/collections/default")
    return compreface_service
