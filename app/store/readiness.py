"""Prepares the store for requests, checks that it is readable, brings every index up to date."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from sqlalchemy import Select, Table, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.errors import CollectionExists, NotReady
from app.store.collections import create_collection, indexed_collections
from app.store.db.database import Database
from app.store.db.tables import (
    GALLERY,
    SHADOW,
    VISITORS,
    VOCABULARY,
    Base,
    CollectionRow,
    EmbeddingSpaceRow,
    EntryRow,
    JournalRow,
    TemplateRow,
)
from app.store.index_sync import IndexSync
from app.store.staging import delete_abandoned
from app.vectors import EmbeddingSpace

_MAIN_TABLES = tuple(
    Base.metadata.tables[row.__tablename__]
    for row in (EmbeddingSpaceRow, CollectionRow, EntryRow, TemplateRow, JournalRow)
)


class Readiness:
    """Start-up work and the readiness check. `default_gallery` is created in `space`."""

    def __init__(
        self, database: Database, index_sync: IndexSync, default_gallery: str, space: EmbeddingSpace
    ) -> None:
        self._database, self._index_sync = database, index_sync
        self._default_gallery, self._space = default_gallery, space

    def prepare(self) -> None:
        """Deletes abandoned vocabularies, creates the default gallery, prepares every index."""
        delete_abandoned(self._database)
        with suppress(CollectionExists), self._database.write() as session:
            create_collection(session, self._default_gallery, GALLERY, self._space)
        with self._database.read() as session:
            collections = indexed_collections(session)
        for collection in collections:
            self._index_sync.clear_if_newer(self._database, collection)
        self._catch_up()

    def check(self) -> dict[str, int]:
        """Brings every index up to date; returns the numbers of entries by collection.

        Raises NotReady with `check`: `database_file` if the SQLite file was deleted or replaced,
        `tables` if a main table cannot be read, `index` if an index cannot be brought up to date.
        """
        with _named("database_file"):
            self._database.check_files()
        with _named("tables"):
            self._read_tables()
        with _named("index"):
            return self._catch_up()

    def measure(self) -> tuple[dict[str, int], int]:
        """The numbers of entries by kind of collection, and of changes that indexes lack.

        Changes nothing. Raises NotReady.
        """
        with self._database.read() as session:
            collections = indexed_collections(session)
        entries = dict.fromkeys((GALLERY, VOCABULARY), 0)
        for collection in collections:
            if collection.kind in entries:
                entries[collection.kind] += collection.size
        return entries, sum(self._index_sync.pending(one) for one in collections)

    def _read_tables(self) -> None:
        """Reads the first and the last row of each main table.

        One statement reads them all: under load a thread waits for the interpreter after each
        statement. Only if it fails, the tables are read one by one, to name the damaged one.
        """
        with self._database.read() as session:
            try:
                session.execute(_all_tables())
            except DBAPIError:
                session.rollback()
                for table in _MAIN_TABLES:
                    _read_table(session, table)
                raise

    def _catch_up(self) -> dict[str, int]:
        with self._database.read() as session:
            collections = indexed_collections(session)
            for collection in collections:
                self._index_sync.size(session, collection)
            return {c.name: c.size for c in collections if c.kind not in (SHADOW, VISITORS)}


def _first_and_last(table: Table) -> Iterator[Select[tuple[object, ...]]]:
    key = list(table.primary_key.columns)
    for order in (key, [column.desc() for column in key]):
        yield select(text("*")).select_from(table).order_by(*order).limit(1)


@cache
def _all_tables() -> Select[tuple[int, ...]]:
    """Numbers of rows, 0 or 1: the first and the last one of each main table."""
    rows = (one.subquery() for table in _MAIN_TABLES for one in _first_and_last(table))
    return select(*(select(func.count()).select_from(row).scalar_subquery() for row in rows))


def _read_table(session: Session, table: Table) -> None:
    try:
        for statement in _first_and_last(table):
            session.execute(statement).all()
    except DBAPIError as error:
        raise NotReady(
            f"the table {table.name} cannot be read; check the database, and restore a backup if "
            "it is damaged"
        ) from error


@contextmanager
def _named(check: str) -> Iterator[None]:
    """Adds the name of the check to the error."""
    try:
        yield
    except NotReady as error:
        error.check = check
        raise
