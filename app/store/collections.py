"""Collections, their embedding spaces and journals. Every function uses the caller's session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import CollectionExists, CollectionNotFound, SpaceMismatch, VocabularyNotFound
from app.store.db.statements import fetch
from app.store.db.tables import (
    GALLERY,
    REBUILD,
    SHADOW,
    STAGED,
    VOCABULARY,
    CalibrationRow,
    CollectionRow,
    EmbeddingSpaceRow,
    EntryRow,
    JournalRow,
    TemplateRow,
)
from app.vectors import EmbeddingSpace

# Composing a statement takes longer than its execution by SQLite, so it is composed once. It
# selects columns instead of ORM objects, which a session would not refresh on the next read.
COLLECTIONS = select(
    CollectionRow.row_id,
    CollectionRow.name,
    CollectionRow.kind,
    EmbeddingSpaceRow.name,
    EmbeddingSpaceRow.digest,
    EmbeddingSpaceRow.dimension,
    CollectionRow.revision,
    CollectionRow.size,
    CollectionRow.largest_support_set,
    CollectionRow.created_at,
    CollectionRow.options,
    CollectionRow.calibration_id,
).join(EmbeddingSpaceRow, EmbeddingSpaceRow.row_id == CollectionRow.space_id)
_BY_NAME = COLLECTIONS.where(CollectionRow.name == bindparam("name"))


@dataclass(frozen=True, slots=True)
class Collection:
    """The state of a collection when it was read. `size` is its number of people or words.

    `largest_support_set` is an upper bound of the number of templates per entry, `calibration_id`
    the row of the gallery's own calibration table.
    """

    row_id: int
    name: str
    kind: str
    space: EmbeddingSpace
    revision: int
    size: int
    largest_support_set: int
    created_at: datetime
    options: Mapping[str, Any]
    calibration_id: int | None

    def require_space(self, space: EmbeddingSpace) -> "Collection":
        """Returns itself. Raises SpaceMismatch if its vectors do not belong to `space`."""
        if self.space.digest != space.digest:
            raise SpaceMismatch(
                f"collection {self.name!r} uses the model {self.space.name}, "
                f"the service runs {space.name} ({space.digest[:19]}…)"
            )
        return self


def create_collection(
    session: Session,
    name: str,
    kind: str,
    space: EmbeddingSpace,
    options: Mapping[str, Any] | None = None,
) -> Collection:
    """Creates an empty collection. Raises CollectionExists."""
    row = CollectionRow(
        name=name, kind=kind, space_id=_space_id(session, space), options=dict(options or {})
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise CollectionExists(f"a collection named {name!r} already exists") from error
    return collection_by_id(session, row.row_id)


def find_collection(session: Session, name: str, kind: str | None = None) -> Collection | None:
    """Returns the gallery or vocabulary of this name, or None; only of one kind if given."""
    kinds = (kind,) if kind else (GALLERY, VOCABULARY)
    found = _collections(fetch(session, _BY_NAME, {"name": name}))
    return found[0] if found and found[0].kind in kinds else None


def get_collection(session: Session, name: str, kind: str | None = None) -> Collection:
    """Like `find_collection`, but raises CollectionNotFound or VocabularyNotFound."""
    found = find_collection(session, name, kind)
    if found is None:
        if kind == VOCABULARY:
            raise VocabularyNotFound(f"there is no vocabulary named {name!r}")
        raise CollectionNotFound(f"there is no {kind or 'collection'} named {name!r}")
    return found


def collection_by_id(session: Session, row_id: int) -> Collection:
    """Returns an existing collection of any kind."""
    [found] = _collections(session.execute(COLLECTIONS.where(CollectionRow.row_id == row_id)))
    return found


def list_collections(session: Session, kind: str | None = None) -> list[Collection]:
    """Returns galleries and vocabularies, or those of one kind, by name."""
    kinds = (GALLERY, VOCABULARY) if kind is None else (kind,)
    query = COLLECTIONS.order_by(CollectionRow.name).where(CollectionRow.kind.in_(kinds))
    return _collections(session.execute(query))


def indexed_collections(session: Session) -> list[Collection]:
    """Returns every collection that has an index, by name: all but staged vocabularies."""
    query = COLLECTIONS.order_by(CollectionRow.name).where(CollectionRow.kind != STAGED)
    return _collections(session.execute(query))


def lock_collection(session: Session, collection: Collection) -> Collection:
    """Blocks other writers until the end of the transaction; returns the current state.

    Raises CollectionNotFound if the collection has been deleted, SpaceMismatch if its shadow
    collection has replaced it.
    """
    locked = session.scalar(
        update(CollectionRow)
        .where(CollectionRow.row_id == collection.row_id)
        .values(size=CollectionRow.size)
        .returning(CollectionRow.row_id)
    )
    if locked is None:
        raise CollectionNotFound(f"there is no collection named {collection.name!r}")
    found = collection_by_id(session, collection.row_id)
    if collection.kind == GALLERY and found.kind == SHADOW:
        raise SpaceMismatch(f"collection {collection.name!r} has just moved to another model")
    return found


def lock_with_shadow(session: Session, row_id: int) -> list[Collection]:
    """Locks a collection and its shadow collection, or its gallery, with the visitors of both.

    Returns their current state. Locks in the order of their ids, which prevents deadlocks. Raises
    CollectionNotFound.
    """
    shadow_of = select(CollectionRow.shadow_of).where(CollectionRow.row_id == row_id)
    related = or_(
        CollectionRow.row_id == row_id,
        CollectionRow.shadow_of == row_id,
        CollectionRow.row_id == shadow_of.scalar_subquery(),
    )
    with_visitors = or_(
        related, CollectionRow.visitors_of.in_(select(CollectionRow.row_id).where(related))
    )
    query = select(CollectionRow.row_id).where(with_visitors).order_by(CollectionRow.row_id)
    row_ids = session.scalars(query).all()
    for one in row_ids:
        lock = update(CollectionRow).where(CollectionRow.row_id == one)
        session.execute(lock.values(size=CollectionRow.size))
    found = _collections(session.execute(COLLECTIONS.where(CollectionRow.row_id.in_(row_ids))))
    if not found:
        raise CollectionNotFound("the collection has been deleted")
    return found


def write_journal(
    session: Session, collection: Collection, op: str, template_row_ids: Sequence[int]
) -> None:
    """Appends one journal row per template and advances the revision of a locked collection."""
    _append(session, collection, op, template_row_ids)


def request_rebuild(session: Session, collection: Collection) -> None:
    """Appends one journal row that makes every index reload the templates of the collection."""
    _append(session, collection, REBUILD, [None])


def change_size(session: Session, collection: Collection, entries: int) -> None:
    """Adds `entries`, which may be negative, to the size of a locked collection."""
    row = update(CollectionRow).where(CollectionRow.row_id == collection.row_id)
    session.execute(row.values(size=CollectionRow.size + entries))


def raise_largest_support_set(session: Session, collection: Collection, size: int) -> None:
    """Sets the upper bound of a locked collection to `size` if that is larger."""
    if size > collection.largest_support_set:
        row = update(CollectionRow).where(CollectionRow.row_id == collection.row_id)
        smaller = row.where(CollectionRow.largest_support_set < size)
        session.execute(smaller.values(largest_support_set=size))


def delete_collection(session: Session, collection: Collection) -> None:
    """Deletes the collection with its entries, templates and journal."""
    for table in (JournalRow, TemplateRow, EntryRow, CalibrationRow):
        session.execute(delete(table).where(table.collection_id == collection.row_id))
    session.execute(delete(CollectionRow).where(CollectionRow.row_id == collection.row_id))


def to_collection(row: Sequence[Any]) -> Collection:
    """Builds a collection from the columns of `COLLECTIONS`."""
    row_id, name, kind, model, digest, dimension, *rest = row
    return Collection(row_id, name, kind, EmbeddingSpace(model, digest, dimension), *rest)


def _append(
    session: Session, collection: Collection, op: str, template_row_ids: Sequence[int | None]
) -> None:
    if not template_row_ids:
        return
    count = len(template_row_ids)
    revision = session.scalar(
        update(CollectionRow)
        .where(CollectionRow.row_id == collection.row_id)
        .values(revision=CollectionRow.revision + count)
        .returning(CollectionRow.revision)
    )
    assert revision is not None, "the collection is locked, so its row exists"
    session.add_all(
        JournalRow(
            collection_id=collection.row_id, revision=number, op=op, template_row_id=template_row_id
        )
        for number, template_row_id in enumerate(template_row_ids, start=revision - count + 1)
    )


def _space_id(session: Session, space: EmbeddingSpace) -> int:
    query = select(EmbeddingSpaceRow.row_id).where(EmbeddingSpaceRow.digest == space.digest)
    known = session.scalar(query)
    if known is not None:
        return known
    row = EmbeddingSpaceRow(name=space.name, digest=space.digest, dimension=space.dimension)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # another transaction inserted the space
        return session.scalars(query).one()
    return row.row_id


def _collections(rows: Iterable[Sequence[Any]]) -> list[Collection]:
    return [to_collection(row) for row in rows]
