"""Templates of people: stored embeddings. Every function works inside the caller's session."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import BindParameter, ColumnElement, bindparam, delete, or_, select
from sqlalchemy.orm import Session

from app.store.collections import Collection, raise_largest_support_set, write_journal
from app.store.db.encryption import decrypt_vectors, encrypt_vector
from app.store.db.statements import fetch_in_blocks
from app.store.db.tables import REMOVE, UPSERT, EntryRow, TemplateRow, now
from app.store.people import Person, get_person
from app.vectors import Ids, Matrix, Vector, l2_normalize

_MOST_PARAMETERS = 500

_ASKED: BindParameter[str] = bindparam("template_ids", expanding=True)
_VECTORS_BY_ID = select(TemplateRow.public_id, TemplateRow.vector, TemplateRow.template_id).where(
    TemplateRow.collection_id == bindparam("collection_id"),
    or_(TemplateRow.public_id.in_(_ASKED), TemplateRow.origin.in_(_ASKED)),
)
_CHUNK = 50_000  # rows per block of `read_vectors`


@dataclass(frozen=True, slots=True)
class Template:
    """A stored embedding, without its vector. `template_id` is the same in every space."""

    row_id: int
    template_id: str
    quality: float | None
    created_at: datetime


def add_template(
    session: Session, collection: Collection, person: Person, vector: Vector, quality: float
) -> Template:
    """Adds a unit vector to the support set of a person of a locked gallery."""
    template_id, created_at = secrets.token_hex(12), now()
    row = TemplateRow(
        public_id=template_id,
        collection_id=collection.row_id,
        entry_id=person.row_id,
        vector=encrypt_vector(session, template_id, vector),
        quality=quality,
        created_at=created_at,
    )
    session.add(row)
    session.flush()
    write_journal(session, collection, UPSERT, [row.row_id])
    raise_largest_support_set(session, collection, person.photos + 1)
    return Template(row.row_id, template_id, quality, created_at)


def list_templates(session: Session, person_id: str) -> list[Template]:
    """Returns the support set of a person, oldest first. Raises PersonNotFound."""
    person = get_person(session, person_id)
    query = (
        select(TemplateRow)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(
            EntryRow.row_id == person.row_id, TemplateRow.collection_id == EntryRow.collection_id
        )
        .order_by(TemplateRow.row_id)
    )
    return [to_template(row) for row in session.scalars(query)]


def to_template(row: TemplateRow) -> Template:
    """Builds a template of a person from its row."""
    assert row.template_id is not None, "templates of people have public ids, those of words none"
    return Template(row.row_id, row.template_id, row.quality, row.created_at)


def delete_templates(
    session: Session, collections: Sequence[Collection], condition: ColumnElement[bool]
) -> int:
    """Deletes the templates that match; returns the number of deleted rows.

    They belong to `collections`, which the caller has locked. Their photos are deleted with them.
    """
    query = select(TemplateRow.row_id, TemplateRow.collection_id).where(condition)
    rows = [(row_id, collection_id) for row_id, collection_id in session.execute(query)]
    session.execute(delete(TemplateRow).where(condition))
    for collection in collections:
        row_ids = [row_id for row_id, of_collection in rows if of_collection == collection.row_id]
        write_journal(session, collection, REMOVE, row_ids)
    return len(rows)


def support_set(session: Session, collection: Collection, person: Person) -> Matrix:
    """Returns the person's unit vectors, shape (photos, dimension), oldest first."""
    query = (
        select(TemplateRow.public_id, TemplateRow.vector)
        .where(
            TemplateRow.entry_id == person.row_id, TemplateRow.collection_id == collection.row_id
        )
        .order_by(TemplateRow.row_id)
    )
    stored = [(public_id, vector) for public_id, vector in session.execute(query)]
    return decrypt_vectors(session, stored, collection.space.dimension)


def support_sets(
    session: Session, collection: Collection, entry_ids: Sequence[int]
) -> dict[int, tuple[list[str], Matrix]]:
    """Returns the template ids and unit vectors (photos, dimension) of people, oldest first.

    `entry_ids` are their row ids; people without templates are absent.
    """
    found: dict[int, tuple[list[str], Matrix]] = {}
    for start in range(0, len(entry_ids), _MOST_PARAMETERS):
        some = entry_ids[start : start + _MOST_PARAMETERS]
        query = (
            select(TemplateRow)
            .where(TemplateRow.entry_id.in_(some), TemplateRow.collection_id == collection.row_id)
            .order_by(TemplateRow.row_id)
        )
        rows = list(session.scalars(query))
        stored = [(row.public_id, row.vector) for row in rows]
        vectors = decrypt_vectors(session, stored, collection.space.dimension)
        for entry_id in {row.entry_id for row in rows}:
            own = [at for at, row in enumerate(rows) if row.entry_id == entry_id]
            found[entry_id] = [to_template(rows[at]).template_id for at in own], vectors[own]
    return found


def with_mean(templates: Matrix) -> Matrix:
    """The templates and, if there are two or more, their mean at unit length as the last row.

    Comparing with both finds more people than either alone (docs/adr/0015-support-sets.md).
    """
    if len(templates) < 2:
        return templates
    return np.concatenate([templates, l2_normalize(templates.mean(axis=0, keepdims=True))])


def vectors_by_template_id(
    session: Session, collection: Collection, template_ids: Sequence[str]
) -> dict[str, Vector]:
    """Returns the unit vectors of a gallery's templates; unknown ids are absent."""
    inside = {"collection_id": collection.row_id}
    rows = list(fetch_in_blocks(session, _VECTORS_BY_ID, "template_ids", template_ids, inside))
    stored = [(public_id, vector) for public_id, vector, _ in rows]
    vectors = decrypt_vectors(session, stored, collection.space.dimension)
    return {str(row[2]): vector for row, vector in zip(rows, vectors, strict=True)}


def template_owners(session: Session, gallery: Collection) -> list[tuple[int, str]]:
    """Returns the row_id of each template of a gallery, ascending, with its person_id."""
    query = (
        select(TemplateRow.row_id, EntryRow.public_id)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(TemplateRow.collection_id == gallery.row_id)
        .order_by(TemplateRow.row_id)
    )
    return [(row_id, str(person_id)) for row_id, person_id in session.execute(query)]


def read_vectors(
    session: Session, collection: Collection, row_ids: set[int] | None = None
) -> Iterator[tuple[Ids, Matrix]]:
    """Yields row ids and vectors in blocks: all of the collection, or those of `row_ids`."""
    query = select(TemplateRow.row_id, TemplateRow.public_id, TemplateRow.vector).where(
        TemplateRow.collection_id == collection.row_id
    )
    if row_ids is None:
        queries = [query.order_by(TemplateRow.row_id)]
    else:
        wanted = sorted(row_ids)
        starts = range(0, len(wanted), _MOST_PARAMETERS)
        blocks = [wanted[start : start + _MOST_PARAMETERS] for start in starts]
        queries = [query.where(TemplateRow.row_id.in_(block)) for block in blocks]
    for one in queries:
        for rows in session.execute(one).partitions(_CHUNK):
            ids = np.array([row.row_id for row in rows], dtype=np.int64)
            stored = [(row.public_id, row.vector) for row in rows]
            yield ids, decrypt_vectors(session, stored, collection.space.dimension)
