"""Creates the folder in which the workers of a service share their metrics, and deletes it."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.api.metrics import FOLDER_VARIABLE, is_running
from app.logs import get_logger

_log = get_logger("sima")

_PREFIX = "sima-metrics-"


@contextmanager
def shared_metrics(workers: int) -> Iterator[None]:
    """Lets several worker processes that start in the block report their metrics together.

    The folder is in the system's folder for temporary files, or in that of TMPDIR. Folders of
    services that were killed are deleted, too.
    """
    if workers == 1:
        yield
        return
    try:
        parent = Path(tempfile.gettempdir())
    except FileNotFoundError:  # in a container whose file system is read-only
        _log.warning("metrics_not_shared", remedy="set TMPDIR to a folder that can be written")
        yield
        return
    _delete_abandoned(parent)
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
    os.environ[FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        del os.environ[FOLDER_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)


def _delete_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        found = re.match(rf"{_PREFIX}(\d+)-", folder.name)
        if found and not is_running(int(found[1])) and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)  # fails if another user owns it
