"""Selects and opens the index engine that `index_url` names."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from app.crypto.keyring import Keyring
from app.errors import InvalidSetting, NotReady
from app.index.base import VectorIndex
from app.index.exact import ExactIndex
from app.index.faiss.index import FaissIndex
from app.index.faiss.row_blocks import IN_MEMORY, in_files
from app.index.faiss.snapshot import unencrypted_snapshots
from app.index.shared.pgvector import PgVectorIndex
from app.logs import get_logger
from app.private_files import create_folder
from app.settings import Settings
from app.store.collections import Collection, indexed_collections
from app.store.db.database import Database
from app.store.db.tables import GALLERY, SHADOW, VISITORS
from app.store.index_sync import IndexFactory

_log = get_logger(__name__)

CloseEngine = Callable[[], None]

_NO_MILVUS = "SIMA_INDEX_URL: milvus needs `pip install 'sima[milvus]'`"


def open_engine(settings: Settings, database: Database) -> tuple[IndexFactory, CloseEngine]:
    """Returns the function that opens a collection's index, and the one that closes the engine.

    Raises InvalidSetting if `index_url` names an unknown engine, or one that is not installed.
    """
    engine, _, location = settings.index_url.partition(":")
    folder = settings.data_dir / "index"
    if engine == "exact":
        return (lambda collection: ExactIndex(collection.space.dimension)), _nothing_to_close
    if engine == "faiss":
        return _faiss(folder, database.keyring, mapped=location == "mapped"), _nothing_to_close
    if engine == "pgvector":
        return _pgvector(location or settings.effective_database_url)
    if engine == "milvus":
        return _milvus(settings, location or str(folder / "milvus.db"), database)
    raise InvalidSetting(
        f"SIMA_INDEX_URL: unknown engine {engine!r}; use exact, faiss, pgvector or milvus"
    )


def check_engine(settings: Settings, database: Database) -> None:
    """Raises the InvalidSetting of `open_engine`, without a connection to a server."""
    engine, _, location = settings.index_url.partition(":")
    if engine == "milvus":
        if find_spec("pymilvus") is None:
            raise InvalidSetting(_NO_MILVUS)
        _is_remote(location)
    else:
        _, close = open_engine(settings, database)
        close()


def find_unencrypted_snapshots(settings: Settings, database: Database) -> list[Path]:
    """Snapshots of people's vectors that are not encrypted although there are keys.

    Includes those of deleted collections and of an earlier engine. Raises NotReady.
    """
    if not database.keyring:
        return []
    with database.read() as session:
        collections = indexed_collections(session)
    words = {_key(one) for one in collections if not _is_of_people(one)}
    return unencrypted_snapshots(settings.data_dir / "index", words)


def delete_unencrypted_snapshots(settings: Settings, database: Database) -> None:
    """Deletes what `find_unencrypted_snapshots` finds: indexes are rebuilt from the database."""
    found = find_unencrypted_snapshots(settings, database)
    try:
        for file in found:
            file.unlink(missing_ok=True)
    except OSError as error:
        _log.error(
            "unencrypted_snapshot_not_deleted",
            file=error.filename,
            error=error.strerror,
            remedy="delete the file",
        )
        return
    if found:
        _log.warning(
            "unencrypted_snapshots_deleted",
            files=len(found),
            reason="there are encryption keys; indexes are rebuilt from the database, encrypted",
        )


def _nothing_to_close() -> None:
    """The engine has no shared resources; every index closes its own."""


def _key(collection: Collection) -> str:
    """Identifies a collection beyond its row id, which a restored backup may assign again."""
    return f"{collection.row_id} {collection.created_at.isoformat()} {collection.space.digest}"


def _is_of_people(collection: Collection) -> bool:
    """Vectors of words are not personal data."""
    return collection.kind in (GALLERY, SHADOW, VISITORS)


def _faiss(folder: Path, keyring: Keyring, mapped: bool) -> IndexFactory:
    if mapped and keyring:
        raise InvalidSetting(
            "SIMA_INDEX_URL: faiss:mapped stores unencrypted vectors on disk; use faiss: with "
            "encryption keys"
        )
    storage = in_files(folder) if mapped else IN_MEMORY

    def open_index(collection: Collection) -> VectorIndex:
        return FaissIndex(
            collection.space.dimension,
            folder / f"collection-{collection.row_id}.faiss",
            _key(collection),
            keyring=keyring if _is_of_people(collection) else Keyring(),
            storage=storage,
        )

    return open_index


def _pgvector(url: str) -> tuple[IndexFactory, CloseEngine]:
    database = Database(url)
    if database.is_sqlite:
        raise InvalidSetting("SIMA_INDEX_URL: pgvector needs the URL of a PostgreSQL database")

    def open_index(collection: Collection) -> VectorIndex:
        name = f"index_rows_{collection.row_id}"
        return PgVectorIndex(collection.space.dimension, database, name, _key(collection))

    return open_index, database.close


def _is_remote(location: str) -> bool:
    """Whether Milvus is a server, not a file. Raises InvalidSetting, without the URL."""
    if "://" not in location:
        return False
    try:
        parsed = urlsplit(location)
        valid = parsed.scheme in ("http", "https") and bool(parsed.hostname) and parsed.port != 0
    except ValueError:  # the port or the address
        valid = False
    if not valid:
        raise InvalidSetting(
            "SIMA_INDEX_URL: the URL of Milvus is invalid; use milvus:http://HOST:19530, or "
            "milvus:PATH for a file"
        )
    return True


def _milvus(
    settings: Settings, location: str, database: Database
) -> tuple[IndexFactory, CloseEngine]:
    try:
        from pymilvus import MilvusClient  # noqa: PLC0415 - an extra
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 - an extra

        from app.index.shared.milvus import MilvusIndex  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise InvalidSetting(_NO_MILVUS) from error
    remote = _is_remote(location)
    if not remote:
        create_folder(Path(location).parent)
    token = settings.index_token.get_secret_value() if settings.index_token else ""
    try:
        client = MilvusClient(location, token=token)
    except MilvusException as error:  # unreachable, or Milvus Lite is open in another process
        raise NotReady(
            "the vector index cannot be opened: Milvus is unreachable or in use by another process"
        ) from error
    # With SQLite the shared index state needs its own file: otherwise its lock would wait for the
    # write transaction of the store from which it is called.
    state_url = f"sqlite:///{settings.data_dir / 'index' / 'ledger.db'}"
    states = Database(state_url if database.is_sqlite else settings.effective_database_url)

    def open_index(collection: Collection) -> VectorIndex:
        return MilvusIndex(
            collection.space.dimension,
            client,
            states,
            f"sima_{collection.row_id}",
            _key(collection),
            embedded=not remote,
        )

    def close() -> None:
        states.close()
        client.close()

    return open_index, close
