"""`sima-train`: one command for each stage of training, for export and for evaluation."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.resources import MODELS
from training.words.config import Objective
from training.words.contexts import RULES

if TYPE_CHECKING:
    from training.faces.stages import StageName
    from training.faces.teacher import TeacherFiles

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
faces = typer.Typer(no_args_is_help=True, help="Face embedders: distil, tune, export.")
app.add_typer(faces, name="faces")

TEACHERS = Path(__file__).parent / "teachers"
DEFAULT_TEACHERS = (TEACHERS / "face-reidentification-retail-0095", TEACHERS / "mobilefacenet")
SHIPPED = MODELS / "sima-face-15"

Teacher = Annotated[
    list[Path] | None,
    typer.Option(help="Folder with a teacher's manifest.toml; may be repeated. Default: both."),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with the teachers' ONNX files.")]
Data = Annotated[
    Path, typer.Argument(help="Folder with index.csv and crop shards, or one folder per identity.")
]
Run = Annotated[Path, typer.Option(help="The run's folder: checkpoint, log, targets.")]
Config = Annotated[
    Path | None, typer.Option(help="TOML file; missing settings have their defaults.")
]
Start = Annotated[
    Path | None, typer.Option(help="Checkpoint with the initial weights. Default: random weights.")
]
Limit = Annotated[int | None, typer.Option(help="Read about this many crops of the shards only.")]
CoolDown = Annotated[bool, typer.Option(help="Start the cool-down at the current step.")]


def _teachers(folders: list[Path] | None, weights: Path | None) -> "TeacherFiles":
    from training.faces.teacher import TeacherFiles

    return TeacherFiles(tuple(folders or DEFAULT_TEACHERS), weights)


def _add_stage(name: "StageName", description: str) -> None:
    """Register the command of one stage; all stages have the same options."""

    @faces.command(name, help=f"{description} Resumes from the run's checkpoint.")
    def stage(
        data: Data,
        run: Run,
        teacher: Teacher = None,
        teacher_weights: Weights = None,
        config: Config = None,
        limit: Limit = None,
        cool_down_now: CoolDown = False,
        start: Start = None,
    ) -> None:
        from training.faces.stages import StageOptions, run_stage

        teachers = _teachers(teacher, teacher_weights)
        options = StageOptions(data, run, teachers, config, limit, cool_down_now, start)
        run_stage(name, options)


_add_stage("distil", "Stage one: distillation from the teachers' embeddings.")
_add_stage("triplet", "Stage two: the triplet loss on triplets mined in each batch.")
_add_stage("siamese", "Stage two with the Siamese pair loss.")


@faces.command()
def export(
    data: Data,
    run: Run,
    name: Annotated[str, typer.Option(help="The model's name.")],
    out: Annotated[Path, typer.Option(help="The model's folder.")],
    teacher: Teacher = None,
    config: Config = None,
    limit: Limit = None,
    plot: Annotated[Path | None, typer.Option(help="PNG file of the error rates.")] = None,
) -> None:
    """Export a run's averaged weights as ONNX file, manifest and calibration table."""
    from training.faces.publish import ExportOptions, run_export

    teachers = _teachers(teacher, None)
    run_export(ExportOptions(data, run, teachers, name, out, config, limit, plot))


@faces.command()
def unfold(
    model: Annotated[Path, typer.Argument(help="Folder of an exported model.")],
    data: Data,
    run: Run,
    teacher: Teacher = None,
    teacher_weights: Weights = None,
    config: Config = None,
    refit: Annotated[
        bool, typer.Option(help="Fit the last layer to the teachers' embeddings.")
    ] = True,
) -> None:
    """Write RUN/start.pt, a checkpoint with the weights of an exported model, for --start."""
    from training.faces.config import DistillConfig, read_config
    from training.faces.sources import read_crops
    from training.faces.unfold import unfold as unfold_model

    net = read_config(DistillConfig, config).network
    teachers = _teachers(teacher, teacher_weights)
    print(unfold_model(model, read_crops(data), teachers, run, net, refit))


@faces.command()
def compare(
    out: Annotated[Path, typer.Argument(help="The .png file to write.")],
    log: Annotated[list[str], typer.Option(help="NAME=RUN/log.csv; may be repeated.")],
) -> None:
    """Plot the share of active triplets and rank-1 of several runs."""
    from training.faces.plots import plot_mining

    named = [entry.partition("=") for entry in log]
    if any(not file for _, _, file in named):
        raise typer.BadParameter("--log must have the form NAME=RUN/log.csv")
    plot_mining({name: Path(file) for name, _, file in named}, out)


@faces.command()
def calibrate(
    model: Annotated[Path, typer.Argument(help="A model folder with manifest.toml.")],
    data: Data,
    plot: Annotated[Path | None, typer.Option(help="PNG file of the error rates.")] = None,
) -> None:
    """Fit score normalisation and a calibration table to a model on held-out crops."""
    from training.faces.publish import calibrate_into
    from training.faces.sources import read_crops

    calibrate_into(model, read_crops(data), plot)


@faces.command()
def quantize(
    model: Annotated[Path, typer.Argument(help="A model folder with manifest.toml.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="The variant's folder.")],
    kind: Annotated[Literal["int8", "fp16"], typer.Option()] = "int8",
) -> None:
    """Quantize a model and measure its own calibration table."""
    from training.faces.quantize import run_quantize

    run_quantize(model, data, kind, out)


@faces.command()
def graph(out: Annotated[Path, typer.Argument(help="The .onnx file to write.")]) -> None:
    """Write the published architecture with an input for every weight, for `sima models pull`."""
    from training.faces.export import export_graph

    export_graph(out)


@faces.command()
def synthetic(
    out: Annotated[Path, typer.Argument(help="Output folder, gets one sub-folder per person.")],
    people: Annotated[int, typer.Option(min=2)] = 120,
    photos: Annotated[int, typer.Option(min=1)] = 5,
    seed: int = 1,
) -> None:
    """Write photos of synthetic people, for trying out the stages."""
    from training.faces.synthetic import write_people

    write_people(out, people, photos, seed)


@faces.command()
def demo(
    out: Annotated[Path, typer.Option(help="Output folder; its old content is deleted.")],
    data: Annotated[
        Path | None, typer.Option(help="Training data. Default: synthetic people.")
    ] = None,
    teacher: Annotated[
        list[Path] | None, typer.Option(help="As in distil. Default: the shipped model.")
    ] = None,
    teacher_weights: Weights = None,
) -> None:
    """Run the whole chain on little data: distil, tune, export, calibrate, evaluate."""
    from training.faces.demo import run_demo
    from training.faces.teacher import TeacherFiles

    run_demo(out, data, TeacherFiles(tuple(teacher or (SHIPPED,)), teacher_weights))


@app.command()
def words(
    corpus: Annotated[
        Path, typer.Argument(help="Text file, .gz or .xz; one sentence or article per line.")
    ],
    name: Annotated[str, typer.Option(help="Name of the vocabulary and of its files.")],
    run: Annotated[Path, typer.Option(help="The run's folder: checkpoint and vectors.")],
    objective: Annotated[Objective, typer.Option()] = "negative-sampling",
    context: Annotated[str, typer.Option(help=f"Context rule: {', '.join(RULES)}.")] = "nearby",
    config: Config = None,
    register: Annotated[
        bool, typer.Option(help="Import the vectors into the service's store.")
    ] = True,
) -> None:
    """Learn word vectors from a text. Resumes from the run's checkpoint."""
    from training.words.config import read_word_config
    from training.words.learn import learn_words

    settings = read_word_config(config, objective, context)
    try:
        learned = learn_words(corpus, run, name, settings)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    print(f"{learned.words_per_second:,.0f} words per second; {learned.text}, {learned.binary}")
    if register:  # by the service's command, since training must not import the store
        command = [sys.executable, "-m", "app.cli", "words", "import", str(learned.binary)]
        subprocess.run([*command, "--name", name], check=True)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder with manifest.toml.")],
    lfw: Annotated[
        Path | None, typer.Option(help="Folder with pairs.txt and the photos' tar file.")
    ] = None,
    crops: Annotated[
        Path | None, typer.Option(help="Training data, to measure on its held-out people.")
    ] = None,
    weights: Weights = None,
    report: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    plot: Annotated[Path | None, typer.Option(help="The .png file for ROC and DET.")] = None,
    record: Annotated[bool, typer.Option(help="Write the accuracy into the manifest.")] = False,
) -> None:
    """Evaluate a model: LFW with the whole serving pipeline, and one-shot identification."""
    from training.faces import evaluation

    if lfw is None and crops is None:
        raise typer.BadParameter("--lfw, --crops or both are required")
    if lfw is None and record:
        raise typer.BadParameter("--record requires --lfw")
    found = evaluation.evaluate(model, weights, lfw, crops, plot)
    print(found.as_text())
    if record:
        evaluation.record(found, model)
    if report is not None:
        evaluation.write_report(found, report)


if __name__ == "__main__":
    app()
