"""Runs the whole training chain on little data: distil, tune, export, calibrate, evaluate."""

import shutil
from pathlib import Path

from training.faces.evaluation import evaluate
from training.faces.publish import ExportOptions, run_export
from training.faces.stages import StageOptions, run_stage
from training.faces.synthetic import write_people
from training.faces.teacher import TeacherFiles

_CONFIGS = Path(__file__).parent.parent / "configs"
_PEOPLE, _PHOTOS = 120, 5
_LIMIT = 4_000


def run_demo(
    out: Path, data: Path | None, teachers: TeacherFiles, config: Path | None = None
) -> None:
    """Run every stage and write the results to `out`, whose old content is deleted.

    Uses synthetic people if `data` is None; `config` replaces the configuration of stage one.
    Raises ModelError if a teacher's ONNX file is missing.
    """
    shutil.rmtree(out, ignore_errors=True)
    if data is None:
        data = out / "people"
        write_people(data, _PEOPLE, _PHOTOS, seed=1)
    first, second = config or _CONFIGS / "demo.toml", _CONFIGS / "demo-triplet.toml"
    distilled, tuned, model = out / "distil", out / "triplet", out / "model"
    run_stage("distil", StageOptions(data, distilled, teachers, first, _LIMIT))
    tuned.mkdir()
    for file in distilled.glob("targets-*.npz"):
        shutil.copy(file, tuned)  # same photos and teachers: no need to compute them again
    start = distilled / "checkpoint.pt"
    run_stage("triplet", StageOptions(data, tuned, teachers, second, _LIMIT, start=start))
    run_export(ExportOptions(data, tuned, teachers, "demo", model, first, _LIMIT))
    print(evaluate(model, None, None, data, None, _LIMIT).as_text())
    print(f"plots: {distilled / 'log.png'}, {tuned / 'log.png'}; model: {model}")
