"""Creates the file of an SQLite database, and detects that it was deleted or replaced while open.

SQLite continues to read and write deleted files without an error; what it commits to them is lost
when the last connection is closed.
"""

import shutil
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from sqlalchemy import URL

from app.errors import NotReady
from app.logs import get_logger
from app.private_files import create_folder, create_if_missing

_log = get_logger(__name__)

FileId: TypeAlias = tuple[int, int]
"""Device and inode of a file."""


class SqliteFiles:
    """The database file and its write-ahead log, as they were when they were opened.

    The write-ahead log is identified per connection: SQLite deletes it with the last connection.
    Thread-safe: connections are opened and closed in many threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()  # a later change of the working directory has no effect
        self._opened: FileId | None = None
        self._logs: Counter[FileId] = Counter()  # those of the connections that are open now
        self._counting = Lock()

    @classmethod
    def of(cls, url: URL) -> "SqliteFiles | None":
        """The files of a URL; None for a database in memory and for a `file:` URI."""
        name = url.database or ""
        is_path = name not in ("", ":memory:") and not name.startswith("file:")
        return cls(Path(name)) if is_path else None

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    def create(self) -> None:
        """Creates a missing file for its owner only; SQLite gives the log the same mode."""
        if not self._path.exists():
            create_folder(self._path.parent)
            create_if_missing(self._path)

    def have_space(self, times: float) -> bool:
        """Whether the disk has `times` the size of the database file free."""
        free = shutil.disk_usage(self._path.parent).free
        return free >= times * self._path.stat().st_size

    def opened(self) -> FileId | None:
        """Remembers the database file; returns the id of the log of the connection just opened.

        Raises NotReady if it is not that of the open connections: it may have been replaced after
        `check_new_connection`.
        """
        if self._opened is None:
            self._opened = _identify(self._path)
        with self._counting:
            log = _identify(self._log_path())
            lost = bool(self._logs) and log not in self._logs
            if log is not None and not lost:
                self._logs[log] += 1
        if lost:
            self._fail(self._log_path())
        return log

    def connection_closed(self, log: FileId | None) -> None:
        """Forgets the log of one connection."""
        if log is not None:
            with self._counting:
                self._logs -= Counter([log])

    def check_new_connection(self) -> None:
        """Like `check`, before a connection is opened: it must find the log of the open ones."""
        self.check()
        with self._counting:
            lost = self._logs and _identify(self._log_path()) not in self._logs
        if lost:
            self._fail(self._log_path())

    def closed(self) -> None:
        """Forgets the database file: the next connection may open another."""
        with self._counting:
            self._opened = None
            self._logs.clear()

    def check(self, log: FileId | None = None) -> None:
        """Raises NotReady if the path is no longer the opened file, or the log is not `log`."""
        if self._opened is not None and _identify(self._path) != self._opened:
            self._fail(self._path)
        if log is not None and _identify(self._log_path()) != log:
            self._fail(self._log_path())

    def _log_path(self) -> Path:
        return Path(f"{self._path.resolve()}-wal")

    def _fail(self, path: Path) -> None:
        _log.error("database_file_lost", path=str(path))
        raise NotReady(
            "the database file was deleted or replaced while the service was using it; nothing is "
            "stored until its folder is restored and the service is restarted"
        )


def _identify(path: Path) -> FileId | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
