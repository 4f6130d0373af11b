"""Restricts the files of the data folder to their owner."""

from collections.abc import Iterator
from glob import escape
from pathlib import Path

from app.logs import get_logger
from app.private_files import is_shared_folder, restrict
from app.settings import Settings
from app.store.db.database_url import sqlite_file
from app.wiring.rate_limits import RATE_LIMITS_FILE

_log = get_logger(__name__)


def own_paths(settings: Settings) -> Iterator[Path]:
    """Yields the data folder, unless other programs share it, and what the service writes there.

    Other files in the folder are not the service's own. A path need not exist.
    """
    folder = settings.data_dir.resolve()
    if not is_shared_folder(folder):
        yield folder
    database = sqlite_file(settings.effective_database_url)
    if database is not None:
        file = database.resolve()  # beside it: its log, and copies that a restore keeps
        yield from sorted(file.parent.glob(f"{escape(file.name)}*"))
        yield from sorted(file.parent.glob(f"{RATE_LIMITS_FILE}*"))
    yield folder / "signing.key"
    yield folder / "index"
    yield from sorted((folder / "index").rglob("*"))
    yield folder / "repairs"
    yield from sorted((folder / "repairs").glob("*"))


def restrict_permissions(settings: Settings) -> list[Path]:
    """Removes the permissions of others on the service's own files; returns the changed paths.

    One line is logged if there are any.
    """
    changed = restrict(own_paths(settings))
    if changed:
        _log.warning(
            "permissions_restricted",
            folder=str(settings.data_dir),
            paths=len(changed),
            reason="files with personal data were open to other users of this machine",
        )
    return changed
