"""A vocabulary while it is being read: nobody sees it, no writer waits for it, then it is there."""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import CollectionExists
from app.store.collections import (
    Collection,
    collection_by_id,
    create_collection,
    delete_collection,
    write_journal,
)
from app.store.db.database import Database
from app.store.db.tables import REBUILD, STAGED, CollectionRow, EntryRow, TemplateRow, now
from app.vectors import EmbeddingSpace

ABANDONED_AFTER = timedelta(days=1)
_BLOCK = 10_000


def stage(
    session: Session, name: str, space: EmbeddingSpace, options: Mapping[str, str]
) -> Collection:
    """An empty collection that is not listed. Raises CollectionExists where `name` is taken."""
    if session.scalar(select(CollectionRow.row_id).where(CollectionRow.name == name)) is not None:
        raise CollectionExists(f"a collection named {name!r} exists already")
    return create_collection(session, f"~{secrets.token_hex(16)}", STAGED, space, options)


def publish(session: Session, staged: Collection, name: str, kind: str, entries: int) -> Collection:
    """Give it its name: from the commit on it is there as a whole.

    One `rebuild` row stands for all entries in the journal. Raises CollectionExists.
    """
    try:
        with session.begin_nested():
            session.execute(
                update(CollectionRow)
                .where(CollectionRow.row_id == staged.row_id)
                .values(name=name, kind=kind, created_at=now())
            )
    except IntegrityError as error:
        raise CollectionExists(f"a collection named {name!r} exists already") from error
    write_journal(session, staged, REBUILD, [None], new_entries=entries)
    session.flush()
    return collection_by_id(session, staged.row_id)


def discard(database: Database, staged_id: int) -> None:
    """Take back what was staged, a block at a time."""
    for table in (TemplateRow, EntryRow):
        left = True
        while left:
            with database.write() as session:
                some = (
                    select(table.row_id)
                    .where(table.collection_id == staged_id)
                    .order_by(table.row_id)
                    .limit(_BLOCK)
                )
                gone = session.execute(
                    delete(table)
                    .where(table.row_id.in_(some.scalar_subquery()))
                    .returning(table.row_id)
                )
                left = len(gone.all()) == _BLOCK
    with database.write() as session:
        row = select(CollectionRow.row_id).where(
            CollectionRow.row_id == staged_id, CollectionRow.kind == STAGED
        )
        if session.scalar(row) is not None:
            delete_collection(session, collection_by_id(session, staged_id))


def discard_abandoned(database: Database) -> None:
    """Take back what a process left that was killed while it read a file."""
    with database.read() as session:
        old = session.scalars(
            select(CollectionRow.row_id).where(
                CollectionRow.kind == STAGED, CollectionRow.created_at < now() - ABANDONED_AFTER
            )
        ).all()
    for staged_id in old:
        discard(database, staged_id)
