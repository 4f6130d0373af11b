"""Model folders for tests."""

import shutil
from pathlib import Path

from app.settings import PROJECT

SHIPPED = PROJECT / "models" / "sima-face-6"


def with_other_mean(folder: Path) -> Path:
    """Copy the shipped model with other preprocessing, which makes it another embedding space."""
    for file in ("model.onnx", "impostor_mean.onnx"):
        shutil.copy(SHIPPED / file, folder)
    text = (SHIPPED / "manifest.toml").read_text()
    start = text.index("mean = [")
    end = text.index("]", start) + 1
    (folder / "manifest.toml").write_text(text[:start] + "mean = [1.0, 2.0, 3.0]" + text[end:])
    return folder
