"""`sima models`: download, resume, verification, import and calibration."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from safetensors.numpy import save
from skimage import data
from typer.testing import CliRunner

from app.cli import app
from app.faces.pipeline.embed import load_embedder
from app.inference.manifest import read_manifest
from app.settings import PROJECT
from tests.downloads import FileServer, serving

GRAPH = PROJECT / "models" / "graphs" / "inception_resnet_v1.onnx"


def random_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights of the published network, with the classifier layer that is ignored."""
    rng = np.random.default_rng(seed)
    state = {}
    for value in onnx.load(GRAPH).graph.input:
        shape = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        if value.name == "crops":
            continue
        if value.name.endswith(("running_var", "bn.weight")):
            weight = rng.uniform(0.8, 1.2, shape)
        else:
            fan = int(np.prod(shape[1:])) if len(shape) > 1 else 100
            weight = rng.normal(0.0, (2 / fan) ** 0.5 if len(shape) > 1 else 0.05, shape)
        state[value.name] = weight.astype(np.float32)
    state["logits.weight"] = np.zeros((3, 512), dtype=np.float32)
    return state


@pytest.fixture(scope="module")
def safetensors() -> bytes:
    return save(random_weights())


@pytest.fixture
def server(safetensors: bytes) -> Iterator[FileServer]:
    with serving(safetensors) as running:
        yield running


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMA_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))


def sima(*words: object, code: int = 0) -> str:
    """Runs `sima models ...` and returns its output on one line."""
    result = CliRunner().invoke(app, ["models", *(str(word) for word in words)])
    assert result.exit_code == code, result.output
    return result.output.replace("\n", " ")


def pull(server: FileServer, *more: object, digest: str = "", code: int = 0) -> str:
    digest = digest or hashlib.sha256(server.content).hexdigest()
    words = ("--url", server.url, "--sha256", digest, *more)
    return sima("pull", "facenet-vggface2", *words, code=code)


def test_pull_installs_a_usable_model(server: FileServer, tmp_path: Path) -> None:
    output = pull(server)
    assert "research use only" in output
    assert "sima models calibrate" in output
    embedder = load_embedder(tmp_path / "models" / "facenet-vggface2", ["CPUExecutionProvider"])
    assert embedder.manifest.input.size == 160
    crops = list(np.random.default_rng(1).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8))
    assert embedder.embed(crops).shape == (3, 512)
    assert not list((tmp_path / "data" / "downloads").iterdir()), (
        "the downloaded file is deleted after installation"
    )


def test_an_interrupted_download_is_resumed(server: FileServer, tmp_path: Path) -> None:
    server.breaks = [1_000_000, 500_000]
    assert "interrupted after 1,000,000 bytes" in pull(server, code=1)
    assert "interrupted after 1,500,000 bytes" in pull(server, code=1)
    assert not (tmp_path / "models").exists()
    pull(server)
    assert server.starts == [0, 1_000_000, 1_500_000]
    assert read_manifest(tmp_path / "models" / "facenet-vggface2").dimension == 512


def test_a_complete_partial_file_is_not_downloaded_again(
    server: FileServer, tmp_path: Path
) -> None:
    part = tmp_path / "data" / "downloads" / "20180402-114759-vggface2.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(server.content)
    pull(server)
    assert server.starts == [len(server.content)]
    part.write_bytes(server.content + b"x")
    assert "the download was deleted" in pull(server, "--force", code=1)
    pull(server, "--force")


def test_a_server_without_ranges_sends_the_whole_file(server: FileServer) -> None:
    server.ranges, server.breaks = False, [1_000_000]
    pull(server, code=1)
    pull(server)
    assert server.starts == [0, 0]


def test_a_file_with_another_digest_is_deleted(server: FileServer, tmp_path: Path) -> None:
    assert "the download was deleted" in pull(server, digest="0" * 64, code=1)
    assert not list((tmp_path / "data" / "downloads").iterdir())
    words = ("--url", server.url)
    assert "060b24840d57" in sima("pull", "facenet-vggface2", *words, code=1), "the pinned digest"
    assert not (tmp_path / "models").exists()


def test_unavailable_sources_and_unknown_names_are_reported(server: FileServer) -> None:
    missing = server.url.replace("/file", "/missing/file")
    assert "404" in sima("pull", "facenet-vggface2", "--url", missing, code=1)
    closed = "http://127.0.0.1:9/file.safetensors"
    assert "is unreachable" in sima("pull", "facenet-vggface2", "--url", closed, code=1)
    local = "file:///etc/passwd.pt"
    assert "not an http or https URL" in sima("pull", "facenet-casia", "--url", local, code=1)
    assert "choose one of facenet-vggface2" in sima("pull", "facenet-4", code=1)


def test_import_replaces_a_model_only_with_force(safetensors: bytes, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    assert "does not exist" in sima("import", file, code=1)
    file.write_bytes(safetensors)
    assert "state the model with --name" in sima("import", file, code=1)
    sima("import", file, "--name", "facenet-casia")
    first = read_manifest(tmp_path / "models" / "facenet-casia").sha256
    file.write_bytes(save(random_weights(seed=5)))
    assert "--force" in sima("import", file, "--name", "facenet-casia", code=1)
    sima("import", file, "--name", "facenet-casia", "--force")
    assert read_manifest(tmp_path / "models" / "facenet-casia").sha256 != first


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (lambda state: state.pop("conv2d_2a.conv.weight"), "1 of 602 weights are missing"),
        (lambda state: state.update({"last_bn.bias": np.zeros(7, np.float32)}), "(512,)"),
        (lambda state: state["last_bn.bias"].fill(np.nan), "NaN or infinity"),
    ],
)
def test_weights_that_do_not_fit_install_nothing(
    corrupt: object, message: str, tmp_path: Path
) -> None:
    state = random_weights()
    assert callable(corrupt)
    corrupt(state)
    (tmp_path / "weights.safetensors").write_bytes(save(state))
    words = (tmp_path / "weights.safetensors", "--name", "facenet-casia")
    assert message in sima("import", *words, code=1)
    (tmp_path / "weights.pt").write_bytes(b"no state dict at all")
    words = (tmp_path / "weights.pt", "--name", "facenet-casia")
    assert "weights.pt" in sima("import", *words, code=1)
    assert not (tmp_path / "models").exists()


def test_calibrate_writes_the_table_to_the_manifest(server: FileServer, tmp_path: Path) -> None:
    """Twelve tints of one portrait replace twelve people, so only the form is tested."""
    pull(server)
    photos = tmp_path / "photos"
    portrait = data.astronaut()[:320, 64:384, ::-1]
    for number in range(12):
        folder = photos / f"person-{number}"
        folder.mkdir(parents=True)
        tinted = np.clip(portrait * np.array([1.0, 0.6 + number / 20, 1.0]), 0, 255)
        cv2.imwrite(str(folder / "1.png"), tinted)
    (photos / "person-0" / "broken.jpg").write_bytes(b"no photo")
    assert "0 pairs" not in sima("calibrate", "facenet-vggface2", photos)
    table = read_manifest(tmp_path / "models" / "facenet-vggface2").calibration
    assert table is not None
    assert table.pairs == 12 * 11 // 2
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "expected person/photo.jpg" in sima("calibrate", "facenet-vggface2", empty, code=1)
