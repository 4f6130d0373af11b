"""`sima models`: list them, fetch published ones, calibrate one on your own photos."""

from collections.abc import Sequence
from dataclasses import replace
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

from app.commands.output import AsJson, print_json, print_table, refusals
from app.errors import ModelError, SimaError
from app.faces.decisions.calibration import calibrate, impostors_between
from app.faces.pipeline.pipeline import FacePipeline
from app.inference.catalog.download import DownloadRefused, Source, digest_of, fetch
from app.inference.catalog.install import install
from app.inference.catalog.published import GRAPH, ORIGINALS, Original, original_of, original_with
from app.inference.manifest import Manifest, read_manifest, write_manifest
from app.settings import PROJECT, Settings
from app.timings import Timings
from app.wiring.services import available_models, open_pipeline

models = typer.Typer(no_args_is_help=True, help="Face models: list, fetch, calibrate.")

Force = Annotated[bool, typer.Option("--force", help="Replace a model of the same name.")]
Name = Annotated[str, typer.Argument(help=" or ".join(known.name for known in ORIGINALS) + ".")]

_PHOTOS = {".jpg", ".jpeg", ".png", ".webp"}


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Every face model in the models folder, the active one marked."""
    with refusals():
        settings = Settings()
        found = available_models(settings)
    if as_json:
        print_json([manifest.model_dump(mode="json") for manifest in found])
        return
    active = settings.face_model_dir.name
    rows = [
        ("*" if m.name == active else "", m.name, m.dimension, m.input.size, m.licence, m.title)
        for m in found
    ]
    print_table(("", "name", "dimensions", "input", "licence", "title"), rows)


@models.command("pull")
def pull_model(
    name: Name,
    url: Annotated[str | None, typer.Option(help="A mirror of the same file.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Its digest, if not the pinned one.")] = None,
    force: Force = False,
) -> None:
    """Download a published model, check it, convert it. A broken download is gone on with."""
    with refusals():
        settings, original = Settings(), _known(name)
        typer.echo(f"{original.title}\nlicence: {original.licence}")
        sources = original.sources if url is None else (_mirror(original, url, sha256),)
        weights = _download(sources, settings.data_dir / "downloads")
        _report(_install(weights, original, settings, force))
        weights.unlink()  # the model folder holds the same weights


@models.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="Weights: .safetensors, .pt or .pth.")],
    name: Annotated[str | None, typer.Option(help="Which one; else by its digest.")] = None,
    force: Force = False,
) -> None:
    """The same from a file on disk: weights of the published Inception-ResNet v1."""
    with refusals():
        if not file.is_file():
            raise ModelError(f"there is no file {file}")
        original = _known(name) if name is not None else original_with(digest_of(file))
        if original is None:
            raise ModelError(f"{file.name} is none of the published files; say which with --name")
        _report(_install(file, original, Settings(), force))


@models.command("calibrate")
def calibrate_model(
    name: Annotated[str, typer.Argument(help="A model in the models folder.")],
    photos: Annotated[Path, typer.Argument(help="Photos, one sub-folder a person.")],
) -> None:
    """Measure false match rates between the people in PHOTOS; thresholds come from them.

    Take people like those whom the service will meet, and 150 or more: each of them, looked at
    together with all the others, is what the stated rates rest on.
    """
    with refusals():
        settings = Settings().model_copy(update={"face_model": name})
        files = sorted(f for f in photos.glob("*/*") if f.suffix.lower() in _PHOTOS)
        if not files:
            raise ModelError(f"{photos} holds no photos; expected person/photo.jpg")
        pipeline = open_pipeline(settings)
        people, vectors = _look_at(pipeline, files)
        if not people:
            raise ModelError(f"none of the {len(files)} photos shows a face")
        impostors = {"everybody": impostors_between(vectors, np.array(people))}
        population = f"{len(set(people))} people of {photos.resolve().name}, all pairs of two"
        table = calibrate(impostors, population)
        folder = settings.face_model_dir
        manifest = read_manifest(folder)
        write_manifest(folder, manifest.model_copy(update={"calibration": table}))
    rows = list(zip(table.fmr, table.similarity, strict=True))
    print_table(("false match rate", "similarity"), rows)


def _known(name: str) -> Original:
    original = original_of(name)
    if original is None:
        names = ", ".join(known.name for known in ORIGINALS)
        raise ModelError(f"{name} is not known; there are {names}")
    return original


def _mirror(original: Original, url: str, sha256: str | None) -> Source:
    """The file at `url` in place of the published one with the same ending."""
    suffix = Path(url.partition("?")[0]).suffix
    alike = [s for s in original.sources if Path(s.file).suffix == suffix]
    if not alike:
        raise ModelError(f"{url}: weights come as .safetensors or .pt")
    if sha256 is not None:
        return Source(url, alike[0].file, sha256)
    return replace(alike[0], url=url)


def _download(sources: Sequence[Source], folder: Path) -> Path:
    """From the first source that answers."""
    refused: list[str] = []
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    for source in sources:
        with Progress(*columns) as bar:
            task = bar.add_task(source.file, total=source.size)
            try:
                file = fetch(source, folder, partial(_advance, bar, task))
            except DownloadRefused as error:
                refused.append(str(error))
                continue
        if source.sha256 is None:
            typer.echo(f"no digest of this file is pinned; sha256 of what came: {digest_of(file)}")
        return file
    raise ModelError("; ".join(refused))


def _advance(bar: Progress, task: TaskID, done: int, total: int | None) -> None:
    bar.update(task, completed=done, total=total)


def _install(weights: Path, original: Original, settings: Settings, force: bool) -> Manifest:
    graph = PROJECT / "models" / "graphs" / GRAPH
    return install(weights, original, graph, settings.models_dir, force)


def _report(manifest: Manifest) -> None:
    typer.echo(
        f"{manifest.name} is there. It has no calibration table yet, and without one nobody knows "
        f"what a similarity means:\n  sima models calibrate {manifest.name} PHOTOS\n"
        f"then serve it with SIMA_FACE_MODEL={manifest.name}"
    )


def _look_at(pipeline: FacePipeline, files: Sequence[Path]) -> tuple[list[str], np.ndarray]:
    people: list[str] = []
    rows: list[np.ndarray] = []
    for file in track(files, description="looking at photos"):
        try:
            face = pipeline.analyze(file.read_bytes(), Timings()).subject()
        except SimaError as error:
            typer.echo(f"{file.name} is left out: {error}", err=True)
            continue
        people.append(file.parent.name)
        rows.append(pipeline.embed([face], Timings())[0])
    return people, np.array(rows)
