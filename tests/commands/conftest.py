"""Fixtures of the command line's tests."""

import shutil
from pathlib import Path

import pytest

from app.settings import Settings
from tests.commands.installation import fill
from tests.conftest import make_settings
from tests.models import SHIPPED


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation with one person in the gallery `people`, and a small model in force."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copytree(SHIPPED, models / SHIPPED.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SIMA_MODELS_DIR", str(models))
    made = make_settings(tmp_path / "data", models_dir=models)
    fill(made)
    return made
