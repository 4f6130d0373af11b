"""Database engine with a read scope and a write scope; only the write scope commits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from sqlite3 import SQLITE_BUSY, SQLITE_LOCKED
from sqlite3 import Connection as SqliteConnection
from sqlite3 import Error as SqliteError

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from app.audit_events import AuditEvent
from app.crypto.keyring import Keyring
from app.errors import NotReady, Overloaded
from app.logs import get_logger
from app.store.db.audit_chain import RECORDS, append_records, record
from app.store.db.database_url import parse_url
from app.store.db.outbox import Outbox
from app.store.db.sqlite_files import SqliteFiles

_log = get_logger(__name__)

_BUSY_SECONDS = 5.0
_CHECKPOINT_MILLISECONDS, _CHECKPOINTS, _PAUSE_SECONDS = 200, 5, 0.3
# SQLite's default cache of 2 MB does not hold the pages that a search joins; with it, half of the
# time of a search was reading.
_MAPPED_BYTES, _CACHE_KIB = 1 << 30, 32 << 10
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code for an expired lock_timeout
_LOG_ID = "sima_log_id"  # in the `info` of a connection


class Database:
    """SQLite (WAL) or PostgreSQL, by URL.

    A read scope sees one consistent snapshot from its first statement to its last. A write scope is
    one transaction, serialised with all other writers of the same collection. Every session carries
    `keyring`, with which personal data is encrypted. A writer waits `busy_seconds` for the lock of
    SQLite or for a lock of PostgreSQL, then raises Overloaded. With `audited`, a write scope
    commits what was recorded in it (`app.store.db.audit_chain`) together with its changes, and with
    an `outbox` the events about it.
    """

    def __init__(
        self,
        url: str,
        keyring: Keyring | None = None,
        busy_seconds: float = _BUSY_SECONDS,
        audited: bool = False,
        outbox: Outbox | None = None,
    ) -> None:
        self.keyring, self.audited, self.outbox = keyring or Keyring(), audited, outbox
        parsed = parse_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._files = SqliteFiles.of(parsed) if self.is_sqlite else None
        self._engine = create_engine(url, pool_pre_ping=not self.is_sqlite, pool_size=20)
        self._busy_milliseconds = round(busy_seconds * 1000)
        if self.is_sqlite:
            prepare = partial(_prepare_sqlite, self._busy_milliseconds)
            event.listen(self._engine, "connect", prepare)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            event.listen(self._engine, "begin", partial(_begin_postgres, self._busy_milliseconds))
        if self._files is not None:
            _watch(self._engine, self._files)
        self._info = {"keyring": self.keyring}
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reading = self._engine.execution_options(**options)
        self._writing = self._engine.execution_options(sima_write=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read-only session on a snapshot. Raises NotReady."""
        with (
            _translated(),
            self._reading.connect() as connection,
            Session(connection, expire_on_commit=False, info=self._info) as session,
        ):
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end of the block, or rolled back after an error.

        Raises NotReady, also if the changes were committed to a deleted SQLite file, and
        Overloaded.
        """
        with _translated(), self._writing.connect() as connection:
            with (
                connection.begin(),
                Session(connection, expire_on_commit=False, info=self._info) as session,
            ):
                self._check_files(connection)
                if self.keeps_records:
                    session.info[RECORDS] = []
                yield session
                session.flush()
                if self.outbox is not None:
                    self.outbox.add(session, session.info[RECORDS])
                if self.audited:
                    append_records(session)
            self._check_files(connection)

    @property
    def keeps_records(self) -> bool:
        """Whether recorded acts go to the audit log or the outbox."""
        return self.audited or self.outbox is not None

    def record(self, *events: AuditEvent) -> None:
        """Appends events to the audit log and the outbox, if there are any, in a transaction.

        For acts that change nothing. Raises NotReady, Overloaded.
        """
        if self.keeps_records:
            with self.write() as session:
                for one in events:
                    record(session, one)

    def check(self) -> None:
        """Raises NotReady if the database cannot be reached or lacks the schema."""
        with self.read() as session:
            session.execute(text("SELECT 1 FROM collections LIMIT 1"))

    def check_files(self) -> None:
        """Raises NotReady if the SQLite file was deleted or replaced after it was opened."""
        if self._files is not None:
            with _translated(), self._reading.connect() as connection:
                self._check_files(connection)

    def rewrite_file(self, wait_seconds: float | None = None) -> bool:
        """Rewrites the SQLite file without remains of deleted and replaced values (VACUUM), and
        truncates its log; does nothing on PostgreSQL.

        `secure_delete` is not enough: SQLite copies rows when it balances pages, and leaves the
        copies in the unused part of a page. Other connections read meanwhile, and wait to write.
        Waits `wait_seconds` for the write lock, `busy_seconds` by default. Returns False if a
        transaction prevents it, or if the disk has less space than twice the size of the file:
        half of it for SQLite's temporary file, which contains what the database contains.
        """
        if not self.is_sqlite:
            return True
        wait = self._busy_milliseconds if wait_seconds is None else round(wait_seconds * 1000)
        if self._files is not None and not self._files.have_space(times=2.0):
            _log.warning("file_not_rewritten", error="less disk space than twice its size is free")
            return False
        with self._outside_transactions(wait) as connection:
            try:
                connection.exec_driver_sql("VACUUM")
            except DBAPIError as error:
                _log.warning("file_not_rewritten", error=str(error.orig))
                return False
        return self.truncate_wal()

    def truncate_wal(self) -> bool:
        """Truncates SQLite's write-ahead log, which contains pages of deleted rows.

        Returns False if a transaction that reads or writes prevented it in several attempts, which
        take two to three seconds. Writers wait for 0.2 seconds at most.
        """
        if not self.is_sqlite:
            return True
        for attempt in range(_CHECKPOINTS):
            if attempt:
                time.sleep(_PAUSE_SECONDS)
            if self._truncate_wal_once():
                return True
        return False

    def _truncate_wal_once(self) -> bool:
        with self._outside_transactions(_CHECKPOINT_MILLISECONDS) as connection:
            found = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            busy: int = found[0]
            return busy == 0

    @contextmanager
    def _outside_transactions(self, busy_milliseconds: int) -> Iterator[Connection]:
        """A connection to SQLite for statements that fail inside a transaction."""
        with _translated(), self._engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            try:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={busy_milliseconds}")
                yield connection
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={self._busy_milliseconds}")
                connection.exec_driver_sql("BEGIN")

    def close(self) -> None:
        """Closes all pooled connections."""
        self._engine.dispose()
        if self._files is not None:
            self._files.closed()

    def _check_files(self, connection: Connection) -> None:
        if self._files is not None:
            self._files.check(connection.info.get(_LOG_ID))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # Only the driver's message: SQLAlchemy's contains parameters, such as people's names.
        cause = error.orig if isinstance(error, DBAPIError) else type(error).__name__
        if _is_locked(cause):
            _log.warning("database_locked")
            raise Overloaded(
                "another process or request holds the write lock of the database; send the request "
                "again, and end that process or raise SIMA_BUSY_SECONDS if this persists"
            ) from error
        _log.error("database_failed", error=str(cause))
        raise NotReady("the database is not available") from error


def _is_locked(error: BaseException | str | None) -> bool:
    if isinstance(error, SqliteError):
        # The low byte of an extended code such as SQLITE_BUSY_SNAPSHOT is the primary code.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in (SQLITE_BUSY, SQLITE_LOCKED)
    return getattr(error, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def _begin_postgres(busy_milliseconds: int, connection: Connection) -> None:
    """Limits the wait for a lock in this transaction; readers take none that others wait for."""
    if connection.get_execution_options().get("sima_write"):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {busy_milliseconds}")


def _prepare_sqlite(
    busy_milliseconds: int, connection: DBAPIConnection, _record: ConnectionPoolEntry
) -> None:
    assert isinstance(connection, SqliteConnection)
    connection.isolation_level = None  # `_begin_sqlite` begins transactions
    for pragma in (
        f"busy_timeout={busy_milliseconds}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        f"mmap_size={_MAPPED_BYTES}",
        f"cache_size=-{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _watch(engine: Engine, files: SqliteFiles) -> None:
    """Creates the file before the first connection. Refuses new connections after it was lost:
    SQLite would create an empty one."""

    def before_connect(*_arguments: object) -> None:
        files.check_new_connection()
        files.create()

    def after_connect(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info[_LOG_ID] = files.opened()

    def before_close(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        files.connection_closed(record.info.pop(_LOG_ID, None))

    event.listen(engine, "do_connect", before_connect)
    event.listen(engine, "close", before_close)
    event.listen(engine, "connect", after_connect)


def _begin_sqlite(connection: Connection) -> None:
    """Begins with the write lock in a write scope: two readers that then write would deadlock."""
    if connection.get_execution_options().get("sima_write", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    sqlite = connection.connection.driver_connection
    assert isinstance(sqlite, SqliteConnection)
    sqlite.execute("BEGIN")  # takes no lock, so no error has to be translated
