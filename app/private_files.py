"""Creates files and folders that only their owner can use, and restricts existing ones.

Modes are those of POSIX: 0600 for files, 0700 for folders. A file system without permissions, such
as FAT, ignores them.
"""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from app.logs import get_logger

_log = get_logger(__name__)

_FILE, _FOLDER = 0o600, 0o700
_OTHERS = 0o077  # permissions of the group and of everybody


def create_folder(folder: Path) -> None:
    """Creates the folder and its missing parents with mode 0700. Raises OSError."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=_FOLDER, exist_ok=True)


def create_empty(file: Path) -> None:
    """Creates an empty file with mode 0600; empties and restricts an existing one.

    Raises OSError.
    """
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE)
    os.close(number)
    if is_open_to_others(file):
        restrict([file])


def create_if_missing(file: Path) -> None:
    """Creates an empty file with mode 0600 and leaves an existing one alone. Raises OSError.

    An existing file is not even opened: to close it would release SQLite's locks on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE))


def is_open_to_others(path: Path) -> bool:
    """Whether others than the owner have permissions on a regular file or folder.

    False for links, devices and paths that do not exist.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and bool(mode & _OTHERS)


def is_shared_folder(folder: Path) -> bool:
    """Whether other programs need the folder: the root, or one with the sticky bit like /tmp."""
    try:
        return folder.parent == folder or bool(folder.stat().st_mode & stat.S_ISVTX)
    except OSError:
        return False


def restrict(paths: Iterable[Path]) -> list[Path]:
    """Removes the permissions of others; returns the paths that were changed.

    A path whose permissions cannot be changed is logged.
    """
    changed = []
    for path in filter(is_open_to_others, paths):
        try:
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~_OTHERS)
        except OSError as error:
            _log.warning(
                "permissions_not_restricted",
                file=str(path),
                error=error.strerror,
                remedy="run the service as the owner of the file, or remove the permissions of "
                "group and others with chmod",
            )
        else:
            changed.append(path)
    return changed
