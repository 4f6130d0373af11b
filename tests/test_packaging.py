"""The wheel: built from the sources, installed into a new environment, used from any folder."""

import os
import shutil
import site
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from app.settings import PROJECT
from harness.servers import free_port

pytestmark = pytest.mark.slow

SOURCES = ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py")
FOLDERS = ("app", "migrations", "models", "training")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, because setuptools writes into the folder of the sources."""
    sources, output = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copy(PROJECT / name, sources)
    for name in FOLDERS:
        shutil.copytree(
            PROJECT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    pulled = sources / "models" / "facenet-vggface2"
    pulled.mkdir(exist_ok=True)
    (pulled / "model.onnx").touch()
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", output, sources)
    (found,) = output.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def executable(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sima` in a new environment, to which a path file lends the dependencies of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    pip("--python", folder / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "bin" / "sima"


def pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True, timeout=300)


@contextmanager
def serving(executable: Path, folder: Path, home: Path) -> Iterator[httpx2.Client]:
    """`sima serve`, started in `folder` by a user with the home folder `home`."""
    port = free_port()
    own = ("SIMA_", "PYTHON", "XDG_")  # what would change the settings or the modules
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    process = subprocess.Popen(
        [executable, "serve", "--port", str(port)],
        cwd=folder,
        env={**environment, "HOME": str(home), "SIMA_DEFAULT_VOCABULARY": ""},
    )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline and process.poll() is None:
                with suppress(httpx2.TransportError):
                    if client.get("/ready").status_code == 200:
                        break
                time.sleep(0.2)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def test_the_service_runs_from_any_folder_and_finds_its_data_from_another(
    executable: Path, photos: dict[str, bytes], tmp_path: Path
) -> None:
    first, second, home = (tmp_path / name for name in ("first", "second", "home"))
    for folder in (first, second, home):
        folder.mkdir()
    with serving(executable, first, home) as client:
        answer = client.post("/enroll", files={"image": photos["obama"]}, data={"name": "O"})
        assert answer.status_code == 201, answer.text
        person = answer.json()["person_id"]
    with serving(executable, second, home) as client:
        pair = {"image_a": photos["obama"], "image_b": photos["obama3"]}
        answer = client.post("/verify", files=pair, data={"target_fmr": 0.01})
        assert answer.json()["verified"], answer.text
        answer = client.post("/identify", files={"image": photos["obama3"]})
        assert answer.json()["faces"][0]["candidates"][0]["person_id"] == person
    assert (home / ".local" / "share" / "sima" / "sima.db").stat().st_size > 0
    assert not [*first.iterdir(), *second.iterdir()]


def test_the_wheel_has_the_shipped_files_and_no_pulled_weights(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packaged = {name.removeprefix("app/") for name in names if "/models/" in name}
    listed = subprocess.run(
        ["git", "ls-files", "models"], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout
    assert packaged == set(listed.split())
    for folder in ("app", "training", "migrations"):
        inside = "app/migrations" if folder == "migrations" else folder
        sources = {file.relative_to(PROJECT / folder) for file in (PROJECT / folder).rglob("*.py")}
        assert {f"{inside}/{file.as_posix()}" for file in sources} <= set(names)
    assert "training/configs/demo.toml" in names
    for folder in ("app/console/static", "app/api/swagger_ui"):
        pages = [file for file in (PROJECT / folder).rglob("*") if file.is_file()]
        assert {file.relative_to(PROJECT).as_posix() for file in pages} <= set(names)


def test_models_of_an_installed_package_are_written_to_the_data_folder(
    executable: Path, tmp_path: Path
) -> None:
    """The package's own folder may be read-only, and the next version replaces it."""
    program = (
        "from app.settings import Settings; from app.resources import MODELS\n"
        "settings = Settings(data_dir='data')\n"
        "assert settings.model_folders == (settings.data_dir / 'models', MODELS), settings\n"
        "assert settings.face_model_dir.is_relative_to(MODELS)\n"
        "own = settings.data_dir / 'models' / 'own'; own.mkdir(parents=True)\n"
        "assert Settings(data_dir='data', face_model='own').face_model_dir == own\n"
    )
    python = executable.with_name("python")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SIMA_", "PYTHON"))}
    subprocess.run([python, "-c", program], cwd=tmp_path, env=environment, check=True, timeout=60)
