"""`sima models`: lists, downloads, imports and calibrates face models."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
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
from app.errors import ModelError, SimaError
from app.faces.decisions.calibration import calibrate, impostors_between
from app.faces.pipeline.pipeline import FacePipeline
from app.inference.catalog.download import Source, SourceUnavailable, download, file_sha256
from app.inference.catalog.install import install
from app.inference.catalog.published import (
    GRAPH,
    PUBLISHED_MODELS,
    PublishedModel,
    find_by_name,
    find_by_sha256,
)
from app.inference.manifest import Manifest, read_manifest, write_manifest
from app.settings import PROJECT, Settings
from app.timings import Timings
from app.vectors import Matrix
from app.wiring.services import available_models, open_pipeline

models = typer.Typer(no_args_is_help=True, help="Face models: list, download, import, calibrate.")

Force = Annotated[bool, typer.Option("--force", help="Replace a model of the same name.")]
Name = Annotated[
    str, typer.Argument(help=" or ".join(known.name for known in PUBLISHED_MODELS) + ".")
]

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


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
            raise ModelError(f"{file} does not exist")
        published = _find(name) if name is not None else find_by_sha256(file_sha256(file))
        if published is None:
            raise ModelError(
                f"{file.name} has the digest of none of the published files; "
                "state the model with --name"
            )
        _print_next_steps(_install(file, published, Settings(), force))


@models.command("calibrate")
def calibrate_model(
    name: Annotated[str, typer.Argument(help="A model in the models folder.")],
    photos: Annotated[Path, typer.Argument(help="Folder with one sub-folder per person.")],
) -> None:
    """Measure false match rates between the people in PHOTOS and write them to the manifest.

    The service derives its thresholds from these rates. Use 150 or more people who resemble the
    service's users; every pair of two people is compared.
    """
    with exit_on_error():
        settings = Settings().model_copy(update={"face_model": name})
        files = sorted(f for f in photos.glob("*/*") if f.suffix.lower() in _IMAGE_SUFFIXES)
        if not files:
            raise ModelError(f"{photos} contains no photos; expected person/photo.jpg")
        people, vectors = _embed_subjects(open_pipeline(settings), files)
        if not people:
            raise ModelError(f"no face was found in any of the {len(files)} photos")
        impostors = {"everybody": impostors_between(vectors, np.array(people))}
        population = f"{len(set(people))} people of {photos.resolve().name}, all pairs of two"
        table = calibrate(impostors, population)
        folder = settings.face_model_dir
        manifest = read_manifest(folder)
        write_manifest(folder, manifest.model_copy(update={"calibration": table}))
    rows = list(zip(table.fmr, table.similarity, strict=True))
    print_table(("false match rate", "similarity"), rows)


def _find(name: str) -> PublishedModel:
    published = find_by_name(name)
    if published is None:
        names = ", ".join(model.name for model in PUBLISHED_MODELS)
        raise ModelError(f"{name} is not a published model; choose one of {names}")
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
    graph = PROJECT / "models" / "graphs" / GRAPH
    return install(weights, published, graph, settings.models_dir, force)


def _print_next_steps(manifest: Manifest) -> None:
    typer.echo(
        f"Installed {manifest.name}. It has no calibration table, so the service has no "
        f"thresholds for it. Calibrate it:\n  sima models calibrate {manifest.name} PHOTOS\n"
        f"Then start the service with SIMA_FACE_MODEL={manifest.name}."
    )


def _embed_subjects(pipeline: FacePipeline, files: Sequence[Path]) -> tuple[list[str], Matrix]:
    """Returns the person (folder name) and the embedding of each photo that shows a face."""
    people: list[str] = []
    rows: list[np.ndarray] = []
    for file in track(files, description="embedding photos"):
        try:
            face = pipeline.analyze(file.read_bytes(), Timings()).subject()
        except SimaError as error:
            typer.echo(f"skipping {file.name}: {error}", err=True)
            continue
        people.append(file.parent.name)
        rows.append(pipeline.embed([face], Timings())[0])
    return people, np.array(rows)
