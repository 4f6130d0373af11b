"""Recognises visitors: an unknown face gets an id, and the same id when it is seen again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.people_search import PeopleSearcher, SearchRule
from app.faces.recognition import Identification, IdentifiedFace
from app.store import erasures, visitors
from app.store.collections import Collection, get_collection, lock_with_shadow
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY, now
from app.store.erasures import Erasure
from app.store.people import NewPerson, Person
from app.store.visitors import Visitor
from app.vectors import Vector

_NOTICED_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class VisitorPage:
    """Visitors in the order of their first visit; `next_after` is None on the last page."""

    visitors: list[Visitor]
    next_after: int | None


class VisitorService:
    """Visitors of galleries that have the option `visitors`.

    `purge_within` is the longest time until deleted bytes are purged.
    """

    def __init__(
        self,
        database: Database,
        searcher: PeopleSearcher,
        policies: DecisionPolicies,
        purge_within: timedelta,
    ) -> None:
        self._database, self._searcher, self._policies = database, searcher, policies
        self._purge_within = purge_within

    def recognise(self, result: Identification, collection: str) -> Identification:
        """Adds the visitor id to each unknown face of an image that passes the quality checks.

        A face that resembles no visitor becomes a new one. Raises CollectionNotFound.
        """
        days = result.visitor_days
        numbers = [number for number, face in enumerate(result.faces) if _is_eligible(face)]
        if days is None or not numbers:
            return result
        lifetime, faces = timedelta(days=days), list(result.faces)
        seen = self._seen_recently(collection, [faces[number] for number in numbers])
        if seen is None:
            with self._database.write() as session:
                gallery = _lock(session, collection)
                inside = visitors.open_visitors(session, gallery)
                seen = []
                for number in numbers:
                    seen.append(self._see(session, gallery, inside, faces[number], lifetime))
                    inside = visitors.open_visitors(session, gallery)  # with the new visitor
        for number, visitor_id in zip(numbers, seen, strict=True):
            faces[number] = replace(faces[number], visitor_id=visitor_id)
        return replace(result, faces=tuple(faces))

    def page(self, collection: str, after: int, limit: int) -> VisitorPage:
        """Returns up to `limit` visitors, and where the next page starts."""
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            found = visitors.list_visitors(session, gallery, after, limit + 1)
        more = len(found) > limit
        return VisitorPage(found[:limit], found[limit - 1].row_id if more else None)

    def promote(self, collection: str, visitor_id: str, person: NewPerson) -> Person:
        """Makes a visitor a person, whose id is that of the visitor.

        Raises CollectionNotFound, VisitorNotFound, and the errors of `promote_visitor`.
        """
        with self._database.write() as session:
            gallery = _lock(session, collection)
            found = visitors.get_visitor(session, gallery, visitor_id)
            promoted = visitors.promote_visitor(session, gallery, found, person)
            record(session, AuditEvent("visitor.promote", "enrolled", collection, visitor_id))
            return promoted

    def delete(self, collection: str, visitor_id: str) -> Erasure:
        """Deletes a visitor. Raises CollectionNotFound, VisitorNotFound."""
        with self._database.write() as session:
            gallery = _lock(session, collection)
            found = visitors.get_visitor(session, gallery, visitor_id)
            receipt = erasures.delete_visitor(session, gallery, found, self._purge_within)
            record(session, AuditEvent("visitor.delete", "deleted", collection, visitor_id))
            return receipt

    def _seen_recently(self, collection: str, faces: Sequence[IdentifiedFace]) -> list[str] | None:
        """The ids of visitors who were all seen within the last hour; otherwise None.

        Nothing has to be written for them.
        """
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            inside = visitors.find_visitors(session, gallery)
            if inside is None:
                return None
            found = [self._find(session, gallery, inside, face.embedding) for face in faces]
            known = [person for person in found if person is not None]
            times = visitors.last_seen(session, [person.row_id for person in known])
        recent = now() - _NOTICED_EVERY
        if len(known) < len(faces) or any(seen < recent for seen in times.values()):
            return None
        return [person.person_id for person in known]

    def _see(
        self,
        session: Session,
        gallery: Collection,
        inside: Collection,
        face: IdentifiedFace,
        lifetime: timedelta,
    ) -> str:
        found = self._find(session, gallery, inside, face.embedding)
        if found is not None:
            visitors.saw_visitor(session, found.row_id, lifetime)
            return found.person_id
        quality = face.face.quality.score if face.face is not None else 0.0
        return visitors.add_visitor(session, inside, face.embedding, quality, lifetime)

    def _find(
        self, session: Session, gallery: Collection, inside: Collection, embedding: Vector
    ) -> Person | None:
        """The visitor whom the face matches by the rules of the gallery, as in an identification
        among all its visitors."""
        rules = self._policies.of_gallery(session, gallery)
        limit = rules.search_limit(DecisionOptions(), max(inside.size, 1))
        rule = SearchRule(rules.policy, limit, inside)
        [found] = self._searcher.search(session, rule, embedding[None], 1)
        return found[0].person if found and found[0].judgement.matches else None


def _is_eligible(face: IdentifiedFace) -> bool:
    found = face.face
    return face.decision == "unknown" and found is not None and not found.quality.reasons


def _lock(session: Session, collection: str) -> Collection:
    """Locks a gallery with its visitors."""
    named = get_collection(session, collection, GALLERY)
    locked = lock_with_shadow(session, named.row_id)
    [gallery] = [one for one in locked if one.kind == GALLERY]
    return gallery
