"""Every stage from the command line, on synthetic people in one folder per identity."""

import csv
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from typer.testing import CliRunner

from app.faces.pipeline.mtcnn import Mtcnn
from app.inference.manifest import Calibration, read_manifest
from tests.models import TRAINED
from training.cli import app
from training.faces.checkpoint import read_average
from training.faces.folders import SIZE, TEMPLATE, read_folders
from training.faces.synthetic import write_people

CONFIG = """
batch = 8
steps = {steps}
warmup_steps = 2
cooldown_steps = 2
evaluate_every = 2
blends = 0.25
compile = false
[network]
width = 0.25
size = 80
"""


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty people with three photos each, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("people")
    write_people(folder, people=40, photos=3, seed=4)
    (folder / "person-000" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    return folder


def run(*words: str | Path) -> str:
    """Output of `sima-train` with the arguments `words`."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_photos_in_folders_become_aligned_crops(people: Path) -> None:
    crops = read_folders(people, Mtcnn(["CPUExecutionProvider"]))
    assert crops.images[0].shape == (SIZE, SIZE, 3)
    assert 115 <= len(crops) <= 120, "only the broken file is skipped"
    assert set(crops.identity) == {f"person-{n:03}" for n in range(40)}
    assert (crops.landmarks == TEMPLATE).all()
    with pytest.raises(ValueError, match="no photo with a face in"):
        read_folders(people / "person-000", Mtcnn(["CPUExecutionProvider"]))


@pytest.mark.slow
def test_distil_resume_triplet_export_evaluate(people: Path, tmp_path: Path) -> None:
    first, tuned, model = tmp_path / "distil", tmp_path / "triplet", tmp_path / "model"
    config = tmp_path / "config.toml"
    teacher = ("--teacher", TRAINED)
    config.write_text(CONFIG.format(steps=4))
    distil = ("faces", "distil", people, "--run", first, "--config", config, *teacher)
    assert "stopped at step 6" in run(*distil)
    computed = (first / f"targets-{TRAINED.name}.npz").stat().st_mtime_ns

    (first / "checkpoint.pt").rename(tmp_path / "six.pt")
    config.write_text(CONFIG.format(steps=2))
    assert "stopped at step 4" in run(*distil)
    assert "stopped at step 4" in run(*distil), "a finished run is not continued"
    targets = first / f"targets-{TRAINED.name}.npz"
    assert targets.stat().st_mtime_ns == computed, "targets are computed once"
    with (first / "log.csv").open() as log:
        assert [row["step"] for row in csv.DictReader(log)] == ["2", "4", "6", "2", "4"]
    assert (first / "log.png").stat().st_size > 1_000
    (first / "log.csv").rename(tmp_path / "log.csv")
    assert "stopped at step 4" in run(*distil), "a run may stop before its first evaluation"
    (tmp_path / "log.csv").rename(first / "log.csv")

    only_distil = ("batch", "blends")
    lines = [line for line in CONFIG.splitlines() if not line.startswith(only_distil)]
    config.write_text("people = 4\nphotos = 2\n" + "\n".join(lines).format(steps=2))
    start = ("--start", tmp_path / "six.pt")
    run("faces", "triplet", people, "--run", tuned, "--config", config, *start, *teacher)
    pairs = ("--run", tmp_path / "pairs", "--config", config)
    assert "stopped at step 4" in run("faces", "siamese", people, *pairs, *start, *teacher)

    logs = ("--log", f"first={first / 'log.csv'}", "--log", f"tuned={tuned / 'log.csv'}")
    run("faces", "compare", tmp_path / "compared.png", *logs)
    assert (tmp_path / "compared.png").stat().st_size > 1_000

    config.write_text(CONFIG.format(steps=2))
    out = ("--name", "tiny", "--out", model, "--config", config, *teacher)
    printed = run("faces", "export", people, "--run", tuned, *out)
    assert "parity with torch" in printed
    manifest = read_manifest(model)
    assert manifest.training.method.startswith(f"distilled from {TRAINED.name}")
    assert isinstance(manifest.calibration, Calibration)

    # The exported weights are in half precision: fp16 takes as much space, int8 half, except for
    # the last grid and the projection, which are most of so small a network and stay as they are.
    for kind, share in (("int8", 0.9), ("fp16", 1.0)):
        printed = run("faces", "quantize", model, people, "--kind", kind, "--out", tmp_path / kind)
        assert float(printed.split("lowest ")[1].split()[0]) > 0.95
        assert read_manifest(tmp_path / kind).name == f"tiny-{kind}"
        size = (tmp_path / kind / "model.onnx").stat().st_size
        assert size < share * (model / "model.onnx").stat().st_size

    report = tmp_path / "report.json"
    run("evaluate", model, "--crops", people, "--report", report)
    measured = json.loads(report.read_text(), parse_constant=pytest.fail)  # NaN is not JSON
    assert measured["held_out_one_shot"]["probes"] > 0
    assert 0.0 <= measured["held_out_one_shot"]["rank1"] <= 1.0


@pytest.mark.slow
def test_an_interrupted_run_ends_where_an_uninterrupted_one_ends(
    people: Path, tmp_path: Path
) -> None:
    """Batches are a function of seed and step, so an interruption changes nothing."""
    states = []
    for name, stops in (("whole", [4]), ("halves", [2, 4])):
        folder = tmp_path / name
        for steps in stops:
            config = tmp_path / "config.toml"
            text = CONFIG.format(steps=steps).replace("cooldown_steps = 2", "cooldown_steps = 0")
            config.write_text(text)
            args = ("--config", config, "--teacher", TRAINED)
            run("faces", "distil", people, "--run", folder, *args)
            reopen(folder / "checkpoint.pt")
        states.append(read_average(folder / "checkpoint.pt")[0])
    whole, halves = states
    for key, value in whole.items():
        assert torch.allclose(value.float(), halves[key].float(), atol=1e-3), key


def reopen(checkpoint: Path) -> None:
    """Clear the start of the cool-down, as in a run that was interrupted before it."""
    content = torch.load(checkpoint, weights_only=True)
    content["cooldown_from"] = None
    torch.save(content, checkpoint)
