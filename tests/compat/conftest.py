"""Fixtures of the tests with clients of other services."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, photos: dict[str, bytes]) -> Path:
    """A folder with photos of people, and `nobody.jpg` without a face."""
    for name in ("obama", "obama2", "obama3", "biden"):
        (tmp_path / f"{name}.jpg").write_bytes(photos[name])
    (tmp_path / "nobody.jpg").write_bytes(photos["coffee"])
    return tmp_path
