"""Stages a vocabulary while its file is read: unlisted until all of its words are stored."""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import CollectionExists
from app.store.collections import (
    Collection,
    change_size,
    collection_by_id,
    create_collection,
    delete_collection,
    request_rebuild,
)
from app.store.db.database import Database
from app.store.db.tables import STAGED, CollectionRow, EntryRow, TemplateRow, now
from app.vectors import EmbeddingSpace

ABANDONED_AFTER = timedelta(days=1)
_BLOCK_SIZE = 10_000  # rows deleted per transaction


def stage(
    session: Session, name: str, space: EmbeddingSpace, options: Mapping[str, str]
) -> Collection:
    """Create an empty collection that no listing contains. Raises CollectionExists if `name` is
    already taken."""
    if session.scalar(select(CollectionRow.row_id).where(CollectionRow.name == name)) is not None:
        raise CollectionExists(f"a collection named {name!r} already exists")
    return create_collection(session, f"~{secrets.token_hex(16)}", STAGED, space, options)


def publish(session: Session, staged: Collection, name: str, kind: str, entries: int) -> Collection:
    """Give a staged collection its name and kind; it is visible after the commit.

    Writes one `rebuild` row to the journal instead of one row per entry. Raises CollectionExists.
    """
    try:
        with session.begin_nested():
            session.execute(
                update(CollectionRow)
                .where(CollectionRow.row_id == staged.row_id)
                .values(name=name, kind=kind, created_at=now())
            )
    except IntegrityError as error:
        raise CollectionExists(f"a collection named {name!r} already exists") from error
    request_rebuild(session, staged)
    change_size(session, staged, entries)
    session.flush()
    return collection_by_id(session, staged.row_id)


def delete_staged(database: Database, collection_id: int) -> None:
    """Delete a staged collection, one block of rows per transaction."""
    for table in (TemplateRow, EntryRow):
        more = True
        while more:
            with database.write() as session:
                block = (
                    select(table.row_id)
                    .where(table.collection_id == collection_id)
                    .order_by(table.row_id)
                    .limit(_BLOCK_SIZE)
                )
                deleted = session.execute(
                    delete(table)
                    .where(table.row_id.in_(block.scalar_subquery()))
                    .returning(table.row_id)
                )
                more = len(deleted.all()) == _BLOCK_SIZE
    with database.write() as session:
        still_staged = select(CollectionRow.row_id).where(
            CollectionRow.row_id == collection_id, CollectionRow.kind == STAGED
        )
        if session.scalar(still_staged) is not None:
            delete_collection(session, collection_by_id(session, collection_id))


def delete_abandoned(database: Database) -> None:
    """Delete staged collections older than `ABANDONED_AFTER`: their import was killed."""
    with database.read() as session:
        abandoned = session.scalars(
            select(CollectionRow.row_id).where(
                CollectionRow.kind == STAGED, CollectionRow.created_at < now() - ABANDONED_AFTER
            )
        ).all()
    for collection_id in abandoned:
        delete_staged(database, collection_id)
