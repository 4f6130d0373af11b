"""The whole chain in a few minutes: distil, tune with triplets, export, calibrate, measure."""

import shutil
from pathlib import Path

from training.faces.evaluation import evaluate
from training.faces.publish import run_export
from training.faces.stages import run_stage
from training.faces.synthetic import write_people
from training.faces.teacher import TeacherFiles

_CONFIGS = Path(__file__).parent.parent / "configs"
_PEOPLE, _PHOTOS = 120, 5
_LIMIT = 4_000


def run_demo(
    out: Path, data: Path | None, teachers: TeacherFiles, config: Path | None = None
) -> None:
    """Everything under `out`, made anew. Without `data` on synthetic people.

    Raises ModelError where the teacher is not there.
    """
    shutil.rmtree(out, ignore_errors=True)
    if data is None:
        data = out / "people"
        write_people(data, _PEOPLE, _PHOTOS, seed=1)
    first, second = config or _CONFIGS / "demo.toml", _CONFIGS / "demo-triplet.toml"
    distilled, tuned, model = out / "distil", out / "triplet", out / "model"
    run_stage("distil", data, distilled, teachers, first, _LIMIT, False, None)
    tuned.mkdir()
    for targets in distilled.glob("targets-*.npz"):  # the same photos, the same teachers
        shutil.copy(targets, tuned)
    start = distilled / "checkpoint.pt"
    run_stage("triplet", data, tuned, teachers, second, _LIMIT, False, start)
    run_export(data, tuned, teachers, first, _LIMIT, "demo", model)
    print(evaluate(model, None, None, data, None, _LIMIT).as_text())
    print(f"pictures: {distilled / 'log.png'}, {tuned / 'log.png'}; model: {model}")
