"""`sima models`: lists, downloads, imports and calibrates face models."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TransferSpeedColumn,
    track,
)

from app.commands.output import AsJson, exit_on_error, print_json, print_table
from app.errors import InvalidRequest, ModelError, SimaError
from app.faces.model_calibration import calibrate_model, photos_of_people
from app.inference.catalog.download import Source, SourceUnavailable, download, file_sha256
from app.inference.catalog.install import install
from app.inference.catalog.published import (
    GRAPH,
    PUBLISHED_MODELS,
    PublishedModel,
    find_by_name,
    find_by_sha256,
)
from app.inference.manifest import Manifest
from app.resources import MODELS
from app.settings import Settings
from app.wiring.services import available_models, open_pipeline

models = typer.Typer(no_args_is_help=True, help="Face models: list, download, import, calibrate.")

Force = Annotated[bool, typer.Option("--force", help="Replace a model of the same name.")]
Name = Annotated[
    str, typer.Argument(help=" or ".join(known.name for known in PUBLISHED_MODELS) + ".")
]


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the face models in the models folder; * marks the active one."""
    with exit_on_error():
        settings = Settings()
        manifests = available_models(settings)
    if as_json:
        print_json([manifest.model_dump(mode="json") for manifest in manifests])
        return
    active = settings.face_model_dir.name
    rows = [
        ("*" if m.name == active else "", m.name, m.dimension, m.input.size, m.licence, m.title)
        for m in manifests
    ]
    print_table(("", "name", "dimensions", "input", "licence", "title"), rows)


@models.command("pull")
def pull_model(
    name: Name,
    url: Annotated[str | None, typer.Option(help="URL of a mirror of the weights file.")] = None,
    sha256: Annotated[
        str | None, typer.Option(help="Expected digest, instead of the pinned one.")
    ] = None,
    force: Force = False,
) -> None:
    """Download a published model, verify its digest and install it.

    Run the command again to resume an interrupted download.
    """
    with exit_on_error():
        settings, published = Settings(), _find(name)
        typer.echo(f"{published.title}\nlicence: {published.licence}")
        sources = published.sources if url is None else (published.mirror(url, sha256),)
        weights = _download(sources, settings.data_dir / "downloads")
        _print_next_steps(_install(weights, published, settings, force))
        weights.unlink()  # the model folder contains the same weights


@models.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="Weights: .safetensors, .pt or .pth.")],
    name: Annotated[
        str | None, typer.Option(help="The published model; default: found by the file's digest.")
    ] = None,
    force: Force = False,
) -> None:
    """Install a published model from a weights file on disk."""
    with exit_on_error():
        if not file.is_file():
            raise InvalidRequest("file", f"{file} does not exist; check the path")
        published = _find(name) if name is not None else find_by_sha256(file_sha256(file))
        if published is None:
            raise InvalidRequest(
                "file",
                f"{file.name} has the digest of none of the published files; "
                "state the model with --name",
            )
        _print_next_steps(_install(file, published, Settings(), force))


@models.command("calibrate")
def calibrate(
    name: Annotated[str, typer.Argument(help="A model in the models folder.")],
    photos: Annotated[
        Path, typer.Argument(help="person/photo.jpg, or group/person/photo.jpg for several groups.")
    ],
) -> None:
    """Measure error rates on the people in PHOTOS and write them to the manifest.

    The service derives its thresholds from these rates, so that they hold in every group. Use 150
    or more people who resemble the service's users. With 600 or more, score normalisation is
    fitted to the model, too. Every pair of two folders must show two different people.
    """
    with exit_on_error():
        settings = Settings().model_copy(update={"face_model": name})
        files = photos_of_people(photos)
        pipeline = open_pipeline(settings)
        shown = track(files, description="embedding photos")
        measured = calibrate_model(settings.face_model_dir, pipeline, photos, shown, _report)
    if measured.fitted is not None:
        typer.echo(
            f"score normalisation: weight {measured.weight}, "
            f"correlation {measured.fitted.correlation:.3f}"
        )
    table = measured.calibration
    refused = [f"{rate:.4f}" for rate in table.fnmr] or ["unknown"] * len(table.fmr)
    rates = [f"{rate:g}" for rate in table.fmr]
    rows = list(zip(rates, table.similarity, refused, strict=True))
    print_table(("false match rate", "threshold", "refused genuine pairs"), rows)


def _find(name: str) -> PublishedModel:
    published = find_by_name(name)
    if published is None:
        names = ", ".join(model.name for model in PUBLISHED_MODELS)
        raise InvalidRequest("name", f"{name} is not a published model; choose one of {names}")
    return published


def _download(sources: Sequence[Source], folder: Path) -> Path:
    """Downloads from the first available source. Raises ModelError if there is none."""
    failures: list[str] = []
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    for source in sources:
        with Progress(*columns) as bar:
            task = bar.add_task(source.file, total=source.size)
            try:
                file = download(source, folder, partial(_advance, bar, task))
            except SourceUnavailable as error:
                failures.append(str(error))
                continue
        if source.sha256 is None:
            typer.echo(
                f"{file.name} is not verified because its digest is not known; "
                f"its sha256 is {file_sha256(file)}"
            )
        return file
    raise ModelError("; ".join(failures))


def _advance(bar: Progress, task: TaskID, done: int, total: int | None) -> None:
    bar.update(task, completed=done, total=total)


def _install(weights: Path, published: PublishedModel, settings: Settings, force: bool) -> Manifest:
    return install(weights, published, MODELS / "graphs" / GRAPH, settings.model_folders[0], force)


def _print_next_steps(manifest: Manifest) -> None:
    typer.echo(
        f"Installed {manifest.name}. It has no calibration table, so the service has no "
        f"thresholds for it. Calibrate it:\n  sima models calibrate {manifest.name} PHOTOS\n"
        f"Then start the service with SIMA_FACE_MODEL={manifest.name}."
    )


def _report(file: Path, reason: SimaError) -> None:
    typer.echo(f"skipping {file.name}: {reason}", err=True)
