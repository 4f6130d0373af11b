"""ONNX Runtime sessions: providers, invalid models, disabled telemetry."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import ModelError
from app.inference.session import OnnxSession, choose_providers

CPU = ["CPUExecutionProvider"]


def test_the_cpu_is_the_last_provider() -> None:
    assert choose_providers("cpu") == CPU
    assert choose_providers("auto")[-1] == CPU[0]


def test_an_invalid_model_raises_model_error() -> None:
    with pytest.raises(ModelError, match="cannot load the model"):
        OnnxSession(b"no graph", CPU)


@pytest.mark.parametrize("module", ["app.inference.session", "app.main", "training.cli"])
def test_telemetry_is_disabled(module: str, tmp_path: Path) -> None:
    """With telemetry, loading ONNX Runtime writes a device id and a queue to the home folder."""
    kept = {"PATH", "PYTHONPATH", "LD_LIBRARY_PATH"}
    environment = {name: value for name, value in os.environ.items() if name in kept}
    environment |= {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    code = f"import {module}, onnxruntime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "1"
    assert [file for file in tmp_path.rglob("*") if "onnxruntime" in file.name] == []
