"""Prepares the start of the service: schema, index engine, default vocabulary."""

from ipaddress import ip_address

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import inspect

from app.errors import InvalidSetting
from app.logs import get_logger
from app.settings import Settings
from app.store.api_keys import has_keys
from app.store.db.access_tables import ApiKeyRow
from app.store.db.database_url import sqlite_file
from app.store.db.rotation import encrypt_people
from app.store.db.schema import upgrade
from app.wiring.data_folder import restrict_permissions
from app.wiring.index_engines import check_engine, delete_unencrypted_snapshots
from app.wiring.services import open_database
from app.words.packaged import import_default_vocabulary

_log = get_logger(__name__)


def require_keys(settings: Settings, host: str) -> None:
    """Raises InvalidSetting if callers from other machines would need no API key.

    `host` is the address to listen on. The setting `open` permits it. Creates nothing.
    """
    if settings.open or _is_loopback(host) or requires_keys(settings):
        return
    raise InvalidSetting(
        f"the service would listen on {host} without API keys; create one with `sima api-keys "
        "create`, set SIMA_API_KEYS, or set SIMA_OPEN=yes to let everybody who reaches it read and "
        "write"
    )


def requires_keys(settings: Settings) -> bool:
    """Whether callers need a key or a token: the settings say so, or the store has a key.

    Raises InvalidSetting, NotReady.
    """
    if settings.api_keys or settings.rekognition_keys or settings.oidc_issuer:
        return True
    file = sqlite_file(settings.effective_database_url)
    if file is not None and not file.exists():
        return False
    database = open_database(settings)
    try:
        with database.read() as session:
            migrated = inspect(session.connection()).has_table(ApiKeyRow.__tablename__)
            return migrated and has_keys(session)
    finally:
        database.close()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def prepare_data(settings: Settings) -> None:
    """Restricts the permissions of stored files and runs the pending database migrations. If there
    are encryption keys, encrypts the fields of people and deletes unencrypted index snapshots."""
    restrict_permissions(settings)
    ensure_schema(settings)
    database = open_database(settings)
    encrypted = encrypt_people(database)
    if encrypted:
        rewritten = database.rewrite_file()
        _log.info("people_encrypted", people=encrypted)
        if not rewritten:
            _log.warning("unencrypted_remains", remedy="run `sima keys rotate`")
    delete_unencrypted_snapshots(settings, database)
    database.close()


def ensure_schema(settings: Settings) -> None:
    """Runs the pending database migrations."""
    database = open_database(settings)
    upgrade(database)
    database.close()


def check_index_engine(settings: Settings) -> None:
    """Raises InvalidSetting if the index engine cannot be opened; connects to nothing."""
    database = open_database(settings)
    check_engine(settings, database)
    database.close()


def ensure_vocabulary(settings: Settings) -> None:
    """Imports the default vocabulary with a progress bar unless it exists."""
    if not settings.default_vocabulary:
        return
    database = open_database(settings)
    columns = (
        TextColumn("importing {task.fields[name]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("words", total=None, visible=False, name=settings.default_vocabulary)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        import_default_vocabulary(database, settings.default_vocabulary, show)
    database.close()
