"""Nothing that the service is made of reports to anybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["app.inference.session", "app.main", "training.cli"])
def test_onnx_runtime_leaves_no_id_of_the_device(module: str, tmp_path: Path) -> None:
    """It keeps one, and a queue of what it will send, in the home folder when it is loaded."""
    kept = {"PATH", "PYTHONPATH", "LD_LIBRARY_PATH"}
    environment = {name: value for name, value in os.environ.items() if name in kept}
    environment |= {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    code = f"import {module}, onnxruntime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "1"
    assert [file for file in tmp_path.rglob("*") if "onnxruntime" in file.name] == []
