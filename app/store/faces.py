"""Templates of a gallery with their people and detections, listed and found by template id.

Every function works inside the caller's session.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.db.statements import MAX_VALUES, fetch_in_blocks
from app.store.db.tables import CollectionRow, EntryRow, TemplateRow
from app.store.detections import StoredDetection, read_detections
from app.store.people import PERSON_COLUMNS, Person, to_person
from app.store.templates import Template

_TEMPLATE_COLUMNS = (
    TemplateRow.row_id,
    TemplateRow.template_id,
    TemplateRow.quality,
    TemplateRow.created_at,
)
_FACES: Select[*tuple[Any, ...]] = (
    select(*_TEMPLATE_COLUMNS, *PERSON_COLUMNS)
    .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
    .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
)
_FACES_OF_PEOPLE = _FACES.where(
    TemplateRow.collection_id == bindparam("collection_id"),
    TemplateRow.entry_id.in_(bindparam("row_ids", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class StoredFace:
    """A template, its person and the face that it was made from.

    `detection` is None for templates of earlier versions.
    """

    template: Template
    person: Person
    detection: StoredDetection | None


@dataclass(frozen=True, slots=True)
class FacePage:
    """Faces in order of enrollment; `next_after` is the row_id where the next page starts, None on
    the last page."""

    faces: list[StoredFace]
    next_after: int | None


def list_faces(
    session: Session, gallery: Collection, person: Person | None, after: int, limit: int
) -> FacePage:
    """Up to `limit` templates with a row_id above `after`, of one person if given."""
    query = _faces(gallery).where(TemplateRow.row_id > after)
    if person is not None:
        query = query.where(TemplateRow.entry_id == person.row_id)
    found = _read(session, query.order_by(TemplateRow.row_id).limit(limit + 1))
    more = len(found) > limit
    return FacePage(found[:limit], found[limit - 1].template.row_id if more else None)


def find_faces(
    session: Session, gallery: Collection, template_ids: Sequence[str]
) -> dict[str, StoredFace]:
    """The faces by template id; unknown ids are absent."""
    found: dict[str, StoredFace] = {}
    for start in range(0, len(template_ids), MAX_VALUES):
        some = template_ids[start : start + MAX_VALUES]
        query = _faces(gallery).where(TemplateRow.template_id.in_(some))
        found.update((face.template.template_id, face) for face in _read(session, query))
    return found


def faces_of(
    session: Session, gallery: Collection, people: Sequence[Person]
) -> dict[str, list[StoredFace]]:
    """The faces of each person by person_id, oldest first."""
    found: dict[str, list[StoredFace]] = {person.person_id: [] for person in people}
    row_ids = [person.row_id for person in people]
    inside = {"collection_id": gallery.row_id}
    rows = fetch_in_blocks(session, _FACES_OF_PEOPLE, "row_ids", row_ids, inside)
    for face in _to_faces(session, sorted(rows, key=lambda row: row[0])):
        found[face.person.person_id].append(face)
    return found


def count_faces(session: Session, gallery: Collection) -> int:
    """The number of templates."""
    inside = TemplateRow.collection_id == gallery.row_id
    return session.scalar(select(func.count(TemplateRow.row_id)).where(inside)) or 0


def count_identified_people(session: Session, gallery: Collection) -> int:
    """The number of people with an external id."""
    query = select(func.count(EntryRow.row_id)).where(
        EntryRow.collection_id == gallery.row_id, EntryRow.external_id.is_not(None)
    )
    return session.scalar(query) or 0


def list_identified_people(
    session: Session, gallery: Collection, after: int, limit: int
) -> list[Person]:
    """At most `limit` people with an external id and a row_id above `after`, in order."""
    query = (
        select(*PERSON_COLUMNS)
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
        .where(
            EntryRow.collection_id == gallery.row_id,
            EntryRow.external_id.is_not(None),
            EntryRow.row_id > after,
        )
        .order_by(EntryRow.row_id)
        .limit(limit)
    )
    return [to_person(session, row) for row in session.execute(query)]


def _faces(gallery: Collection) -> Select[*tuple[Any, ...]]:
    return _FACES.where(TemplateRow.collection_id == gallery.row_id)


def _read(session: Session, query: Select[*tuple[Any, ...]]) -> list[StoredFace]:
    return _to_faces(session, session.execute(query).all())


def _to_faces(session: Session, rows: Sequence[Sequence[Any]]) -> list[StoredFace]:
    """The faces of rows of _FACES."""
    columns = len(_TEMPLATE_COLUMNS)
    found = [(Template(*row[:columns]), to_person(session, row[columns:])) for row in rows]
    detections = read_detections(session, [template for template, _ in found])
    return [
        StoredFace(template, person, detections.get(template.template_id))
        for template, person in found
    ]
