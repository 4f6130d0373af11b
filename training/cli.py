"""`sima-train`: train, measure and export; every stage is one command."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
faces = typer.Typer(no_args_is_help=True, help="Face embedders: distil, tune, export.")
app.add_typer(faces, name="faces")

Teacher = Annotated[Path, typer.Option(help="Folder with the teacher's manifest.toml.")]
Weights = Annotated[Path | None, typer.Option(help="Folder with the teacher's ONNX file.")]

DEFAULT_TEACHER = Path(__file__).parent / "teachers" / "face-reidentification-retail-0095"

Data = Annotated[Path, typer.Argument(help="Folder with index.csv and the crop shards.")]
Run = Annotated[Path, typer.Option(help="The run's folder: checkpoint, log, targets.")]
Config = Annotated[Path | None, typer.Option(help="TOML; defaults where absent.")]
Limit = Annotated[int | None, typer.Option(help="Use this many crops only.")]
CoolDown = Annotated[bool, typer.Option(help="Start the cool-down at once.")]


@faces.command()
def distil(
    data: Data,
    run: Run,
    teacher: Teacher = DEFAULT_TEACHER,
    teacher_weights: Weights = None,
    config: Config = None,
    limit: Limit = None,
    cool_down_now: CoolDown = False,
) -> None:
    """Stage one: learn from a teacher's embeddings. Resumes from the run's checkpoint."""
    from training.faces.stages import run_stage

    both = (teacher, teacher_weights)
    run_stage("distil", data, run, both, config, limit, cool_down_now, None)


@faces.command()
def triplet(
    data: Data,
    run: Run,
    start: Annotated[Path, typer.Option(help="checkpoint.pt of stage one.")],
    teacher: Teacher = DEFAULT_TEACHER,
    teacher_weights: Weights = None,
    config: Config = None,
    limit: Limit = None,
    cool_down_now: CoolDown = False,
) -> None:
    """Stage two: the triplet loss, triplets mined from the current distances. Resumes."""
    from training.faces.stages import run_stage

    both = (teacher, teacher_weights)
    run_stage("triplet", data, run, both, config, limit, cool_down_now, start)


@faces.command()
def export(
    data: Data,
    run: Run,
    name: Annotated[str, typer.Option(help="The model's name.")],
    out: Annotated[Path, typer.Option(help="The model's folder.")],
    teacher: Teacher = DEFAULT_TEACHER,
    config: Config = None,
    limit: Limit = None,
) -> None:
    """ONNX file, manifest and calibration table from a run's averaged weights."""
    from training.faces.stages import run_export

    run_export(data, run, teacher, config, limit, name, out)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder with manifest.toml.")],
    lfw: Annotated[Path, typer.Option(help="Folder with pairs.txt and the photos' tar.")],
    weights: Weights = None,
    report: Annotated[Path | None, typer.Option(help="Also write the numbers here.")] = None,
    record: Annotated[bool, typer.Option(help="Write the numbers into the manifest.")] = False,
) -> None:
    """LFW, 10 folds, through the whole serving pipeline: detect, align, embed."""
    from training.faces.stages import run_evaluation

    run_evaluation(model, weights, lfw, report, record)


if __name__ == "__main__":
    app()
