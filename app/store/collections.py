"""Collections and their embedding spaces. Every function works inside the caller's session."""

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
    SHADOW,
    STAGED,
    VOCABULARY,
    CollectionRow,
    EmbeddingSpaceRow,
    EntryRow,
    JournalRow,
    TemplateRow,
)
from app.vectors import EmbeddingSpace

# Built once: composing a statement takes longer than SQLite takes to answer it. Columns, not
# objects, so that a session that read a collection before sees it as it is now.
COLLECTIONS = select(
    CollectionRow.row_id,
    CollectionRow.name,
    CollectionRow.kind,
    EmbeddingSpaceRow.name,
    EmbeddingSpaceRow.digest,
    EmbeddingSpaceRow.dimension,
    CollectionRow.revision,
    CollectionRow.size,
    CollectionRow.created_at,
    CollectionRow.options,
).join(EmbeddingSpaceRow, EmbeddingSpaceRow.row_id == CollectionRow.space_id)
_BY_NAME = COLLECTIONS.where(CollectionRow.name == bindparam("name"))


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as it was when it was read. `size` counts its people or words."""

    row_id: int
    name: str
    kind: str
    space: EmbeddingSpace
    revision: int
    size: int
    created_at: datetime
    options: Mapping[str, str]

    def require_space(self, space: EmbeddingSpace) -> "Collection":
        """Itself, if its vectors compare with those of `space`. Raises SpaceMismatch."""
        if self.space.digest != space.digest:
            raise SpaceMismatch(
                f"collection {self.name!r} was made with the model {self.space.name}, "
                f"the service runs {space.name} ({space.digest[:19]}…)"
            )
        return self


def create_collection(
    session: Session,
    name: str,
    kind: str,
    space: EmbeddingSpace,
    options: Mapping[str, str] | None = None,
) -> Collection:
    """A new, empty collection. Raises CollectionExists, also if another writer was faster."""
    kept = dict(options or {})
    row = CollectionRow(name=name, kind=kind, space_id=_space_id(session, space), options=kept)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise CollectionExists(f"a collection named {name!r} exists already") from error
    return get_collection(session, name, kind)


def get_collection(session: Session, name: str, kind: str | None = None) -> Collection:
    """By name, of either kind unless told. Raises CollectionNotFound or VocabularyNotFound."""
    found = _collections(fetch(session, _BY_NAME, {"name": name}))
    if not found or found[0].kind not in ((kind,) if kind else (GALLERY, VOCABULARY)):
        if kind == VOCABULARY:
            raise VocabularyNotFound(f"there is no vocabulary named {name!r}")
        raise CollectionNotFound(f"there is no {kind or 'collection'} named {name!r}")
    return found[0]


def find_gallery(session: Session, name: str) -> Collection | None:
    """The gallery of this name, or None."""
    try:
        return get_collection(session, name, GALLERY)
    except CollectionNotFound:
        return None


def collection_by_id(session: Session, collection_id: int) -> Collection:
    """By the database's id, which an entry names."""
    [found] = _collections(
        session.execute(COLLECTIONS.where(CollectionRow.row_id == collection_id))
    )
    return found


def list_collections(session: Session, kind: str | None = None) -> list[Collection]:
    """Galleries and vocabularies, or those of one kind, by name."""
    kinds = (GALLERY, VOCABULARY) if kind is None else (kind,)
    query = COLLECTIONS.order_by(CollectionRow.name).where(CollectionRow.kind.in_(kinds))
    return _collections(session.execute(query))


def indexed_collections(session: Session) -> list[Collection]:
    """Returns every collection that has an index, by name: all but staged vocabularies."""
    query = COLLECTIONS.order_by(CollectionRow.name).where(CollectionRow.kind != STAGED)
    return _collections(session.execute(query))


def lock_collection(session: Session, collection: Collection) -> Collection:
    """Wait until no other writer works on it; then as it is now. Ends with the transaction.

    Raises CollectionNotFound if it was deleted meanwhile, SpaceMismatch if its shadow
    collection replaced it.
    """
    touched = session.scalar(
        update(CollectionRow)
        .where(CollectionRow.row_id == collection.row_id)
        .values(size=CollectionRow.size)
        .returning(CollectionRow.row_id)
    )
    if touched is None:
        raise CollectionNotFound(f"there is no collection named {collection.name!r}")
    found = collection_by_id(session, collection.row_id)
    if collection.kind == GALLERY and found.kind == SHADOW:
        raise SpaceMismatch(f"collection {collection.name!r} has just moved to another model")
    return found


def lock_with_shadow(session: Session, collection_id: int) -> list[Collection]:
    """Locks a collection and its shadow collection, or its gallery; returns their current state.

    Locks in the order of their ids, which prevents deadlocks. Raises CollectionNotFound.
    """
    named = select(CollectionRow.shadow_of).where(CollectionRow.row_id == collection_id)
    family = or_(
        CollectionRow.row_id == collection_id,
        CollectionRow.shadow_of == collection_id,
        CollectionRow.row_id == named.scalar_subquery(),
    )
    ids = session.scalars(
        select(CollectionRow.row_id).where(family).order_by(CollectionRow.row_id)
    ).all()
    for one in ids:
        touched = update(CollectionRow).where(CollectionRow.row_id == one)
        session.execute(touched.values(size=CollectionRow.size))
    found = _collections(session.execute(COLLECTIONS.where(CollectionRow.row_id.in_(ids))))
    if not found:
        raise CollectionNotFound("the collection was deleted meanwhile")
    return found


def write_journal(
    session: Session,
    collection: Collection,
    op: str,
    template_rows: list[int] | list[None],
    new_entries: int = 0,
) -> None:
    """Append one row per template; the collection's revision and size follow."""
    revision = session.scalar(
        update(CollectionRow)
        .where(CollectionRow.row_id == collection.row_id)
        .values(
            revision=CollectionRow.revision + len(template_rows),
            size=CollectionRow.size + new_entries,
        )
        .returning(CollectionRow.revision)
    )
    assert revision is not None, "the collection is locked, so it is there"
    first = revision - len(template_rows) + 1
    session.add_all(
        JournalRow(
            collection_id=collection.row_id, revision=first + i, op=op, template_row_id=row_id
        )
        for i, row_id in enumerate(template_rows)
    )


def delete_collection(session: Session, collection: Collection) -> None:
    """The collection with its entries, templates and journal."""
    for table in (JournalRow, TemplateRow, EntryRow):
        session.execute(delete(table).where(table.collection_id == collection.row_id))
    session.execute(delete(CollectionRow).where(CollectionRow.row_id == collection.row_id))


def _space_id(session: Session, space: EmbeddingSpace) -> int:
    query = select(EmbeddingSpaceRow.row_id).where(EmbeddingSpaceRow.digest == space.digest)
    known = session.scalar(query)
    if known is not None:
        return known
    row = EmbeddingSpaceRow(name=space.name, digest=space.digest, dimension=space.dimension)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # another writer was faster
        return session.scalars(query).one()
    return row.row_id


def to_collection(row: Sequence[Any]) -> Collection:
    """From the columns of `COLLECTIONS`."""
    row_id, name, kind, model, digest, dimension, revision, size, created_at, options = row
    space = EmbeddingSpace(model, digest, dimension)
    return Collection(row_id, name, kind, space, revision, size, created_at, options)


def _collections(rows: Iterable[Sequence[Any]]) -> list[Collection]:
    return [to_collection(row) for row in rows]
