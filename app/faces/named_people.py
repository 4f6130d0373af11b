"""People of a gallery whom clients identify by their name instead of a person_id."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.errors import PersonNotFound, PhotoNotFound
from app.errors_people import NameTaken
from app.store import erasures, people
from app.store.collections import Collection, get_collection, lock_with_shadow
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.named_people import (
    OwnedTemplate,
    TemplatePage,
    every_person,
    find_by_name,
    get_owner,
    list_owned_templates,
)
from app.store.people import NewPerson, Person
from app.store.person_search import EVERYBODY

_DELETED_AT_ONCE = 100  # people per transaction


class NamedPeople:
    """Creates, renames and deletes people by name, and deletes templates by their id alone.

    Names are compared exactly. Where several people of a gallery have one name, because another
    interface enrolled them, an operation applies to all of them. Each method is one transaction
    unless stated. `purge_within` is the longest time until deleted bytes are purged.
    """

    def __init__(self, database: Database, purge_within: timedelta) -> None:
        self._database, self._purge_within = database, purge_within

    def names(self, collection: str) -> list[str]:
        """All names, in order of enrollment, each once. Raises CollectionNotFound."""
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            found = every_person(session, gallery, EVERYBODY)
        return list(dict.fromkeys(person.name for person in found))

    def find(self, collection: str, name: str) -> list[Person]:
        """The people of this name, oldest first. Raises CollectionNotFound."""
        with self._database.read() as session:
            return find_by_name(session, get_collection(session, collection, GALLERY), name)

    def create(self, collection: str, name: str) -> Person:
        """Adds a person without templates.

        Raises CollectionNotFound, NameTaken, InvalidRequest for an invalid name.
        """
        with self._database.write() as session:
            gallery = _lock(session, collection)
            _require_unused(session, gallery, name)
            person = people.add_person(session, gallery, NewPerson(name, None, {}))
            record(session, AuditEvent("person.change", "created", collection, person.person_id))
            return person

    def rename(self, collection: str, name: str, new_name: str) -> None:
        """Gives the people of a name another one that nobody has.

        Raises CollectionNotFound, PersonNotFound, NameTaken, InvalidRequest for an invalid name.
        """
        with self._database.write() as session:
            gallery = _lock(session, collection)
            found = _require(find_by_name(session, gallery, name))
            _require_unused(session, gallery, new_name)
            for person in found:
                people.change_person(session, person.person_id, {"name": new_name})
                event = AuditEvent("person.change", "changed", collection, person.person_id)
                record(session, event)

    def delete(self, collection: str, name: str) -> int:
        """Deletes the people of a name; returns the number of their templates.

        Raises CollectionNotFound, PersonNotFound.
        """
        with self._database.write() as session:
            gallery = _lock(session, collection)
            found = _require(find_by_name(session, gallery, name))
            return self._delete(session, found)

    def delete_all(self, collection: str) -> tuple[int, int]:
        """Deletes all people, in several transactions; returns how many, and their templates.

        Raises CollectionNotFound.
        """
        deleted = templates = 0
        while True:
            with self._database.write() as session:
                gallery = _lock(session, collection)
                found = people.list_persons(session, gallery, EVERYBODY, 0, _DELETED_AT_ONCE)
                templates += self._delete(session, found)
            deleted += len(found)
            if len(found) < _DELETED_AT_ONCE:
                return deleted, templates

    def templates(self, collection: str, name: str | None, offset: int, limit: int) -> TemplatePage:
        """Templates of the gallery, oldest first; with `name` only those of its people.

        Raises CollectionNotFound.
        """
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            found = None if name is None else find_by_name(session, gallery, name)
            return list_owned_templates(session, gallery, found, offset, limit)

    def owner(self, collection: str, template_id: str) -> Person:
        """The person who has the template. Raises CollectionNotFound, PhotoNotFound."""
        with self._database.read() as session:
            return get_owner(session, get_collection(session, collection, GALLERY), template_id)

    def delete_templates(self, collection: str, template_ids: Sequence[str]) -> list[OwnedTemplate]:
        """Deletes templates and returns them; unknown ids are ignored.

        Raises CollectionNotFound.
        """
        deleted = []
        with self._database.write() as session:
            gallery = _lock(session, collection)
            for template_id in dict.fromkeys(template_ids):
                try:
                    person = get_owner(session, gallery, template_id)
                except PhotoNotFound:
                    continue
                erasures.delete_template(session, person.person_id, template_id, self._purge_within)
                event = AuditEvent("photo.delete", "deleted", collection, person.person_id)
                record(session, event)
                deleted.append(OwnedTemplate(template_id, person.name))
        return deleted

    def _delete(self, session: Session, found: Sequence[Person]) -> int:
        for person in found:
            erasures.delete_person(session, person.person_id, self._purge_within)
            event = AuditEvent("person.delete", "deleted", person.collection, person.person_id)
            record(session, event)
        return sum(person.photos for person in found)


def _lock(session: Session, collection: str) -> Collection:
    row_id = get_collection(session, collection, GALLERY).row_id
    return next(one for one in lock_with_shadow(session, row_id) if one.kind == GALLERY)


def _require(found: list[Person]) -> list[Person]:
    if not found:
        raise PersonNotFound("the collection has no person of this name")
    return found


def _require_unused(session: Session, gallery: Collection, name: str) -> None:
    """Raises NameTaken."""
    holders = find_by_name(session, gallery, name)
    if holders:
        raise NameTaken(holders[0].person_id)
