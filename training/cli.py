"""`sima-train`: train, measure and export; every stage is one command."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from training.words.config import Objective
from training.words.contexts import RULES

if TYPE_CHECKING:
    from training.faces.teacher import TeacherFiles

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
faces = typer.Typer(no_args_is_help=True, help="Face embedders: distil, tune, export.")
app.add_typer(faces, name="faces")

Teacher = Annotated[
    list[Path] | None,
    typer.Option(help="Folder with a teacher's manifest.toml; repeat for several. Default: both."),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with the teachers' ONNX files.")]

TEACHERS = Path(__file__).parent / "teachers"
DEFAULT_TEACHERS = (TEACHERS / "face-reidentification-retail-0095", TEACHERS / "mobilefacenet")

SHIPPED = Path(__file__).parent.parent / "models" / "sima-face-2"

Data = Annotated[Path, typer.Argument(help="Folder with index.csv and the crop shards.")]
Run = Annotated[Path, typer.Option(help="The run's folder: checkpoint, log, targets.")]
Config = Annotated[Path | None, typer.Option(help="TOML; defaults where absent.")]
Start = Annotated[Path | None, typer.Option(help="Checkpoint to begin with; else random weights.")]
Limit = Annotated[int | None, typer.Option(help="Use this many crops only.")]
CoolDown = Annotated[bool, typer.Option(help="Start the cool-down at once.")]


def _teachers(folders: list[Path] | None, weights: Path | None) -> "TeacherFiles":
    from training.faces.teacher import TeacherFiles

    return TeacherFiles(tuple(folders or DEFAULT_TEACHERS), weights)


@faces.command()
def distil(
    data: Data,
    run: Run,
    teacher: Teacher = None,
    teacher_weights: Weights = None,
    config: Config = None,
    limit: Limit = None,
    cool_down_now: CoolDown = False,
    start: Start = None,
) -> None:
    """Stage one: learn from the teachers' embeddings. Resumes from the run's checkpoint."""
    from training.faces.stages import run_stage

    teachers = _teachers(teacher, teacher_weights)
    run_stage("distil", data, run, teachers, config, limit, cool_down_now, start)


@faces.command()
def triplet(
    data: Data,
    run: Run,
    teacher: Teacher = None,
    teacher_weights: Weights = None,
    config: Config = None,
    limit: Limit = None,
    cool_down_now: CoolDown = False,
    start: Start = None,
) -> None:
    """Stage two: the triplet loss, triplets mined from the current distances. Resumes."""
    from training.faces.stages import run_stage

    teachers = _teachers(teacher, teacher_weights)
    run_stage("triplet", data, run, teachers, config, limit, cool_down_now, start)


@faces.command()
def siamese(
    data: Data,
    run: Run,
    teacher: Teacher = None,
    teacher_weights: Weights = None,
    config: Config = None,
    limit: Limit = None,
    cool_down_now: CoolDown = False,
    start: Start = None,
) -> None:
    """Stage two with the Siamese pair loss instead. Resumes."""
    from training.faces.stages import run_stage

    teachers = _teachers(teacher, teacher_weights)
    run_stage("siamese", data, run, teachers, config, limit, cool_down_now, start)


@faces.command()
def export(
    data: Data,
    run: Run,
    name: Annotated[str, typer.Option(help="The model's name.")],
    out: Annotated[Path, typer.Option(help="The model's folder.")],
    teacher: Teacher = None,
    config: Config = None,
    limit: Limit = None,
) -> None:
    """ONNX file, manifest and calibration table from a run's averaged weights."""
    from training.faces.publish import run_export

    run_export(data, run, _teachers(teacher, None), config, limit, name, out)


@faces.command()
def unfold(
    model: Annotated[Path, typer.Argument(help="Folder of an exported model.")],
    data: Data,
    run: Run,
    teacher: Teacher = None,
    teacher_weights: Weights = None,
    config: Config = None,
    refit: Annotated[bool, typer.Option(help="Refit the last layer to the teachers.")] = True,
) -> None:
    """Write RUN/start.pt, a checkpoint with an exported model's weights, to train it further."""
    from training.faces.config import DistillConfig, read_config
    from training.faces.sources import read_crops
    from training.faces.unfold import unfold as unfold_model

    net = read_config(DistillConfig, config).network
    teachers = _teachers(teacher, teacher_weights)
    print(unfold_model(model, read_crops(data), teachers, run, net, refit))


@faces.command()
def compare(
    out: Annotated[Path, typer.Argument(help="The .png to draw.")],
    log: Annotated[list[str], typer.Option(help="NAME=RUN/log.csv; once for every run.")],
) -> None:
    """Miners side by side: how many triplets still teach, and what it brings."""
    from training.faces.plots import plot_mining

    named = [entry.partition("=") for entry in log]
    if any(not file for _, _, file in named):
        raise typer.BadParameter("--log wants NAME=RUN/log.csv")
    plot_mining({name: Path(file) for name, _, file in named}, out)


@faces.command()
def quantize(
    model: Annotated[Path, typer.Argument(help="A model folder with manifest.toml.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="The variant's folder.")],
    kind: Annotated[Literal["int8", "fp16"], typer.Option()] = "int8",
) -> None:
    """A smaller variant of a model, with its own calibration table."""
    from training.faces.quantize import run_quantize

    run_quantize(model, data, kind, out)


@faces.command()
def graph(out: Annotated[Path, typer.Argument(help="The .onnx file to write.")]) -> None:
    """The published architecture with an input for every weight, for `sima models pull`."""
    from training.faces.export import export_graph

    export_graph(out)


@faces.command()
def synthetic(
    out: Annotated[Path, typer.Argument(help="Folder to fill: one sub-folder a person.")],
    people: Annotated[int, typer.Option(min=2)] = 120,
    photos: Annotated[int, typer.Option(min=1)] = 5,
    seed: int = 1,
) -> None:
    """Photos of people who do not exist, for trying out the stages."""
    from training.faces.synthetic import write_people

    write_people(out, people, photos, seed)


@faces.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to fill; emptied first.")],
    data: Annotated[Path | None, typer.Option(help="Training photos; synthetic if unset.")] = None,
    teacher: Annotated[
        list[Path] | None, typer.Option(help="Repeat for several; the shipped model if unset.")
    ] = None,
    teacher_weights: Weights = None,
) -> None:
    """The whole chain on little data: distil, tune, export, calibrate, measure."""
    from training.faces.demo import run_demo
    from training.faces.teacher import TeacherFiles

    run_demo(out, data, TeacherFiles(tuple(teacher or (SHIPPED,)), teacher_weights))


@app.command()
def words(
    corpus: Annotated[Path, typer.Argument(help="Text, .gz or .xz; a sentence or article a line.")],
    name: Annotated[str, typer.Option(help="Of the vocabulary and its files.")],
    run: Annotated[Path, typer.Option(help="Folder for checkpoint and files.")],
    objective: Annotated[Objective, typer.Option()] = "negative-sampling",
    context: Annotated[str, typer.Option(help=", ".join(RULES) + ".")] = "nearby",
    config: Config = None,
    register: Annotated[bool, typer.Option(help="Put it into the service's store.")] = True,
) -> None:
    """Learn word vectors from a text; the same command goes on where it was stopped."""
    from training.words.config import read_word_config
    from training.words.learn import learn_words

    settings = read_word_config(config, objective, context)
    try:
        learned = learn_words(corpus, run, name, settings)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    print(f"{learned.words_per_second:,.0f} words a second; {learned.text}, {learned.binary}")
    if register:  # the service's own command: training knows nothing of its store
        command = [sys.executable, "-m", "app.cli", "words", "import", str(learned.binary)]
        subprocess.run([*command, "--name", name], check=True)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder with manifest.toml.")],
    lfw: Annotated[Path | None, typer.Option(help="Folder: pairs.txt and the photos' tar.")] = None,
    crops: Annotated[Path | None, typer.Option(help="Training photos; the held-out part.")] = None,
    weights: Weights = None,
    report: Annotated[Path | None, typer.Option(help="Also write the numbers here.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw ROC and DET here, a .png.")] = None,
    record: Annotated[bool, typer.Option(help="Write the numbers into the manifest.")] = False,
) -> None:
    """LFW through the whole serving pipeline, and one-shot identification."""
    from training.faces import evaluation

    if lfw is None and crops is None:
        raise typer.BadParameter("name --lfw, --crops, or both")
    if lfw is None and record:
        raise typer.BadParameter("--record needs --lfw")
    found = evaluation.evaluate(model, weights, lfw, crops, plot)
    print(found.as_text())
    if record:
        evaluation.record(found, model)
    if report is not None:
        evaluation.write_report(found, report)


if __name__ == "__main__":
    app()
