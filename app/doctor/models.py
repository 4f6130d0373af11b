"""Checks the models: manifests, files and digests, and which model each gallery belongs to."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from app.doctor.findings import Finding, ok, problem, warning
from app.errors import ModelError
from app.inference.manifest import Manifest, find_models, read_manifest, read_verified
from app.settings import Settings
from app.store.collections import list_collections
from app.store.db.tables import GALLERY


def check_models(settings: Settings) -> Iterator[Finding]:
    """Yields findings about the files of the active model and of the others in the folders."""
    active = settings.face_model_dir
    try:
        manifest = _verify(active)
    except ModelError as error:
        yield problem(
            "model",
            f"{settings.face_model} is in force: {error}",
            "install the model again, or set SIMA_FACE_MODEL to another one",
        )
    else:
        yield ok("model", f"{manifest.name} is in force; its files have the stated digests")
    for folder in find_models(settings.model_folders):
        if folder == active:
            continue
        try:
            _verify(folder)
        except ModelError as error:
            yield warning(
                "model",
                f"{folder.name}, which is not in force: {error}",
                "install the model again, or delete its folder",
            )


def check_galleries(settings: Settings, session: Session) -> Iterator[Finding]:
    """Yields findings about galleries that belong to another model than the active one."""
    try:
        space = read_manifest(settings.face_model_dir).space
    except ModelError:
        return  # reported by `check_models`
    galleries = [one for one in list_collections(session) if one.kind == GALLERY]
    foreign = [one for one in galleries if one.space.digest != space.digest]
    for gallery in foreign:
        yield problem(
            "gallery",
            f"{gallery.name} ({gallery.size} people) belongs to the model {gallery.space.name}, "
            f"not to {space.name}",
            f"set SIMA_FACE_MODEL={gallery.space.name}, or run "
            f"`sima collections migrate {gallery.name} --model {settings.face_model}`",
        )
    if not foreign:
        yield ok("gallery", f"all galleries ({len(galleries)}) belong to {space.name}")


def _verify(folder: Path) -> Manifest:
    """Returns the manifest after comparing the files with it. Raises ModelError."""
    manifest = read_manifest(folder)
    read_verified(folder / manifest.file, manifest.sha256)
    if manifest.normalisation is not None:
        read_verified(folder / manifest.normalisation.file, manifest.normalisation.sha256)
    return manifest
