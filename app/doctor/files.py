"""Checks the data folder: existence, permissions, free space, files with secrets."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from app.doctor.findings import REPAIR, Finding, ok, problem, warning
from app.private_files import is_open_to_others, is_shared_folder
from app.settings import Settings
from app.wiring.data_folder import own_paths

_FULL, _NEARLY_FULL = 100_000_000, 1_000_000_000  # bytes
_SIGNING_KEY_BYTES = 32


def check_files(settings: Settings) -> Iterator[Finding]:
    """Yields findings about the files of the installation; changes nothing."""
    folder = settings.data_dir
    if not folder.is_dir():
        yield warning(
            "data folder",
            f"{folder} does not exist",
            "set SIMA_DATA_DIR to the folder of the installation; `sima serve` creates a new one",
        )
        return
    yield from _check_permissions(settings)
    yield from _check_secrets(settings)
    yield _check_space(folder)


def _check_permissions(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    paths = [path for path in own_paths(settings) if path.exists()]
    if is_shared_folder(folder.resolve()):
        yield warning(
            "data folder",
            f"{folder} is shared with other programs",
            "set SIMA_DATA_DIR to a folder of its own",
        )
    for path in paths:
        if not os.access(path, os.R_OK | os.W_OK):
            yield problem(
                "permissions",
                f"{path} cannot be read and written by this account",
                "give the file to the account of the service with chown",
            )
    wide = [path for path in paths if is_open_to_others(path)]
    if wide:
        names = ", ".join(str(path) for path in wide[:3]) + (", ..." if len(wide) > 3 else "")
        yield problem("permissions", f"other users can use {len(wide)} paths: {names}", REPAIR)
    else:
        yield ok("permissions", f"only the owner can use {folder} and its files")


def _check_secrets(settings: Settings) -> Iterator[Finding]:
    secrets = [("the key file", settings.encryption_key_file), ("the settings file", Path(".env"))]
    for name, file in secrets:
        if file is not None and is_open_to_others(file):
            yield warning(
                "secrets", f"other users can read {name} {file}", f"run `chmod 600 {file}`"
            )
    key = settings.data_dir / "signing.key"
    if key.is_file() and key.stat().st_size != _SIGNING_KEY_BYTES:
        yield problem(
            "signing key",
            f"{key} is damaged",
            "restore it from a backup; without one, delete it, and import older archives with "
            "--signer",
        )


def _check_space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free for {folder}"
    if free < _FULL:
        return problem("disk", text, "free space: the database can no longer store anything soon")
    if free < _NEARLY_FULL:
        return warning("disk", text, "free space, or move the data folder to a larger disk")
    return ok("disk", text)
