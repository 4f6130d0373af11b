"""Which index engine a setting means, and what has to be open for it."""

from collections.abc import Callable
from pathlib import Path

from app.crypto.keyring import Keyring
from app.errors import InvalidSetting, NotReady
from app.index.base import VectorIndex
from app.index.exact import ExactIndex
from app.index.faiss.index import FaissIndex
from app.index.faiss.row_blocks import in_files, in_memory
from app.index.shared.pgvector import PgVectorIndex
from app.settings import Settings
from app.store.collections import Collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.index_sync import IndexFactory

Close = Callable[[], None]


def open_engine(settings: Settings, database: Database) -> tuple[IndexFactory, Close]:
    """How a collection's index is opened, and how what they share is closed.

    Raises InvalidSetting for an `index_url` that names no engine, or one that is not installed.
    """
    engine, _, where = settings.index_url.partition(":")
    if engine == "exact":
        return (lambda collection: ExactIndex(collection.space.dimension)), _nothing
    if engine == "faiss":
        return _faiss(settings.data_dir / "index", database.keyring, where), _nothing
    if engine == "pgvector":
        return _pgvector(where or settings.effective_database_url)
    if engine == "milvus":
        return _milvus(settings, where or str(settings.data_dir / "index" / "milvus.db"), database)
    raise InvalidSetting(f"index_url: there is no engine named {engine!r}")


def _nothing() -> None:
    """Every index closes itself."""


def _key(collection: Collection) -> str:
    """Tells a collection from one that had its id in another life of the database."""
    return f"{collection.row_id} {collection.created_at.isoformat()} {collection.space.digest}"


def _faiss(folder: Path, keyring: Keyring, where: str) -> IndexFactory:
    mapped = where == "mapped"
    if mapped and keyring:
        raise InvalidSetting("index_url: mapped vectors lie on the disk unsealed; there are keys")
    allocate = in_files(folder) if mapped else in_memory

    def open_index(collection: Collection) -> VectorIndex:
        file = folder / f"collection-{collection.row_id}.faiss"
        sealed = keyring if collection.kind == GALLERY else Keyring()  # words are nobody's
        return FaissIndex(
            collection.space.dimension, file, _key(collection), keyring=sealed, allocate=allocate
        )

    return open_index


def _pgvector(url: str) -> tuple[IndexFactory, Close]:
    database = Database(url)
    if database.is_sqlite:
        raise InvalidSetting("index_url: pgvector needs the URL of a PostgreSQL database")

    def open_index(collection: Collection) -> VectorIndex:
        name = f"index_rows_{collection.row_id}"
        return PgVectorIndex(collection.space.dimension, database, name, _key(collection))

    return open_index, database.close


def _milvus(settings: Settings, where: str, database: Database) -> tuple[IndexFactory, Close]:
    try:
        from pymilvus import MilvusClient  # noqa: PLC0415 - an extra
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 - an extra

        from app.index.shared.milvus import MilvusIndex  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise InvalidSetting("index_url: milvus needs `pip install 'sima[milvus]'`") from error
    remote = where.startswith(("http://", "https://"))
    if not remote:
        Path(where).parent.mkdir(parents=True, exist_ok=True)
    token = settings.index_token.get_secret_value() if settings.index_token else ""
    try:
        client = MilvusClient(where, token=token)
    except MilvusException as error:  # out of reach; or Lite, which one process has for itself
        raise NotReady(
            "the vector index cannot be opened: Milvus is not there, or in use"
        ) from error
    # With SQLite the shared index state is in a separate file: the store's writer, which searches
    # while it holds the write lock, would wait for its own lock.
    own = f"sqlite:///{settings.data_dir / 'index' / 'ledger.db'}"
    state_database = Database(own if database.is_sqlite else settings.effective_database_url)

    def open_index(collection: Collection) -> VectorIndex:
        return MilvusIndex(
            collection.space.dimension,
            client,
            state_database,
            f"sima_{collection.row_id}",
            _key(collection),
            embedded=not remote,
        )

    def close() -> None:
        state_database.close()
        client.close()

    return open_index, close
