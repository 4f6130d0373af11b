"""People found by their name, and templates listed with the names of their people.

Every function works inside the caller's session.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from app.errors import PhotoNotFound
from app.store.collections import Collection
from app.store.db.tables import CollectionRow, EntryRow, TemplateRow
from app.store.people import PERSON_COLUMNS, Person, list_persons, to_person
from app.store.person_search import PersonSearch

_PAGE = 500


@dataclass(frozen=True, slots=True)
class OwnedTemplate:
    """A template and the name of its person."""

    template_id: str
    name: str


@dataclass(frozen=True, slots=True)
class TemplatePage:
    """Some templates, oldest first; `total` is the number on all pages."""

    templates: list[OwnedTemplate]
    total: int


def find_by_name(session: Session, gallery: Collection, name: str) -> list[Person]:
    """Returns the people of exactly this name, in order of enrollment."""
    return every_person(session, gallery, PersonSearch(exact_name=name))


def every_person(session: Session, gallery: Collection, search: PersonSearch) -> list[Person]:
    """Returns all people who match, in order of enrollment."""
    found: list[Person] = []
    after = 0
    while page := list_persons(session, gallery, search, after, _PAGE):
        found += page
        after = page[-1].row_id
    return found


def list_owned_templates(
    session: Session,
    gallery: Collection,
    people: Sequence[Person] | None,
    offset: int,
    limit: int,
) -> TemplatePage:
    """Returns at most `limit` templates of the gallery after the first `offset`, oldest first.

    Only those of `people`, unless it is None. Raises DecryptionFailed.
    """
    inside = TemplateRow.collection_id == gallery.row_id
    if people is not None:
        inside &= TemplateRow.entry_id.in_([person.row_id for person in people])
    total = session.scalar(select(func.count(TemplateRow.row_id)).where(inside)) or 0
    query = _owners().where(inside).order_by(TemplateRow.row_id).offset(offset).limit(limit)
    found = [
        OwnedTemplate(template_id, to_person(session, owner).name)
        for template_id, *owner in session.execute(query)
    ]
    return TemplatePage(found, total)


def get_owner(session: Session, gallery: Collection, template_id: str) -> Person:
    """Returns the person who has a template of the gallery. Raises PhotoNotFound."""
    query = _owners().where(
        TemplateRow.collection_id == gallery.row_id,
        or_(TemplateRow.public_id == template_id, TemplateRow.origin == template_id),
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise PhotoNotFound("no template of the collection has this id")
    _, *owner = found
    return to_person(session, owner)


def _owners() -> Select[*tuple[Any, ...]]:
    return (
        select(TemplateRow.template_id, *PERSON_COLUMNS)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
    )
