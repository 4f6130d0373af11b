"""Corrects whose face a template shows: moves a template to another person, merges two people."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from app.audit_events import Action, AuditEvent
from app.errors import DifferentPerson, InvalidRequest, PersonNotFound
from app.faces.enrollment_checks import EnrollmentChecks
from app.store import erasures
from app.store.collections import Collection
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.erasures import Erasure
from app.store.people import NewPerson, Person, add_person, get_person, lock_person
from app.store.reassignment import (
    get_other_person,
    move_all_templates,
    move_template,
    template_vectors,
)
from app.store.templates import support_set
from app.vectors import EmbeddingSpace, Matrix


@dataclass(frozen=True, slots=True)
class MoveOrder:
    """Which template to move to whom: the person `to`, or a new person of the gallery.

    The template must match the person unless `allow_mismatch`; a new person accepts any.
    """

    person_id: str
    template_id: str
    to: str | NewPerson
    allow_mismatch: bool = False


@dataclass(frozen=True, slots=True)
class Merge:
    """The person that remains, the ids of the templates that it got, and the receipt of the other
    person's deletion."""

    person: Person
    moved: tuple[str, ...]
    receipt: Erasure


class Reassigner:
    """Moves templates between the people of a gallery. Each method is one transaction.

    `space` is that of the active model, by which templates are compared. `purge_within` is the
    longest time until deleted bytes are purged.
    """

    def __init__(
        self,
        database: Database,
        checks: EnrollmentChecks,
        space: EmbeddingSpace,
        purge_within: timedelta,
    ) -> None:
        self._database, self._checks, self._space = database, checks, space
        self._purge_within = purge_within

    def move(self, order: MoveOrder) -> Person:
        """Moves a template, in every space, with its photo; returns the person who has it now.

        Raises PersonNotFound, PhotoNotFound, DifferentPerson, SpaceMismatch, and the errors of
        `add_person`.
        """
        try:
            with self._database.write() as session:
                return self._move(session, order)
        except DifferentPerson as refused:
            self._record_refusal("photo.move", refused)
            raise

    def merge(self, person_id: str, into: str, allow_mismatch: bool = False) -> Merge:
        """Moves all templates of a person to the person `into`, and deletes the former.

        One template of the two must match the other person, unless `allow_mismatch`. Name, external
        id and metadata are those of `into`. Raises PersonNotFound, InvalidRequest, DifferentPerson,
        SpaceMismatch.
        """
        if person_id == into:
            raise InvalidRequest(
                "into", "a person cannot be merged into itself; send the id of another person"
            )
        try:
            with self._database.write() as session:
                return self._merge(session, person_id, into, allow_mismatch)
        except DifferentPerson as refused:
            self._record_refusal("person.merge", refused)
            raise

    def _move(self, session: Session, order: MoveOrder) -> Person:
        source, locked = lock_person(session, order.person_id)
        gallery = _gallery(locked)
        if isinstance(order.to, NewPerson):
            target = add_person(session, gallery, order.to)
        else:
            target = get_other_person(session, source, order.to)
        if target.row_id != source.row_id:
            if not order.allow_mismatch:
                probes = template_vectors(session, gallery, source, order.template_id)
                self._require_match(session, gallery, probes, target)
            move_template(session, locked, source, order.template_id, target.row_id)
            for one in (source, target):
                event = AuditEvent("photo.move", "moved", gallery.name, one.person_id)
                record(session, event)
        return get_person(session, target.person_id)

    def _merge(self, session: Session, person_id: str, into: str, allow_mismatch: bool) -> Merge:
        source, locked = lock_person(session, person_id)
        gallery, target = _gallery(locked), get_other_person(session, source, into)
        if not allow_mismatch:
            probes = support_set(session, gallery, source)
            self._require_match(session, gallery, probes, target)
        moved = move_all_templates(session, locked, source, target.row_id)
        receipt = erasures.delete_person(session, person_id, self._purge_within)
        record(session, AuditEvent("person.merge", "deleted", gallery.name, person_id))
        record(session, AuditEvent("person.merge", "merged", gallery.name, into))
        return Merge(get_person(session, into), tuple(moved), receipt)

    def _require_match(
        self, session: Session, gallery: Collection, probes: Matrix, target: Person
    ) -> None:
        gallery.require_space(self._space)
        if len(probes):
            self._checks.refuse_mismatch(session, gallery, probes, target)

    def _record_refusal(self, action: Action, refused: DifferentPerson) -> None:
        collection = None
        with suppress(PersonNotFound), self._database.read() as session:
            collection = get_person(session, refused.person_id).collection
        event = AuditEvent(action, "different_person", collection, refused.person_id)
        self._database.record(event)


def _gallery(locked: Sequence[Collection]) -> Collection:
    [gallery] = [collection for collection in locked if collection.kind == GALLERY]
    return gallery
