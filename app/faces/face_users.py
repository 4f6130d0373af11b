"""Users: people with an external id to whom faces of anonymous people are assigned.

Every method is one transaction. An assigned face keeps its template id.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.errors import PersonNotFound
from app.faces.decisions.grading import GradedJudgement, Grader
from app.faces.decisions.policies import DecisionPolicies
from app.faces.face_index import ANONYMOUS, delete_if_empty, lock_gallery
from app.store import erasures, people
from app.store.collections import Collection, get_collection, lock_with_shadow
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.faces import StoredFace, faces_of, find_faces, list_identified_people
from app.store.people import NewPerson, Person, PersonPage
from app.store.person_search import PersonSearch
from app.store.reassignment import move_template
from app.store.rejections import rejected_vectors
from app.store.templates import support_set, vectors_by_template_id, with_mean
from app.vectors import EmbeddingSpace

Acceptance = Callable[[GradedJudgement], bool]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What became of a template that was to be assigned to a user, or taken from one.

    It was not moved if it is unknown (`found` is False), if it is assigned to another user
    (`owner`), or if it resembles the user too little (`refused`).
    """

    template_id: str
    found: bool = True
    owner: Person | None = None
    refused: GradedJudgement | None = None

    @property
    def done(self) -> bool:
        """Whether the template is where it was to be moved."""
        return self.found and self.owner is None and self.refused is None


class FaceUsers:
    """Creates and deletes users, and moves templates to them and back.

    `purge_within` is the longest time until deleted bytes are purged.
    """

    def __init__(
        self,
        database: Database,
        policies: DecisionPolicies,
        space: EmbeddingSpace,
        purge_within: timedelta,
    ) -> None:
        self._database, self._policies, self._space = database, policies, space
        self._purge_within = purge_within

    def create(self, collection: str, user_id: str) -> Person:
        """Creates a user without faces. Raises CollectionNotFound, ExternalIdTaken."""
        with self._database.write() as session:
            gallery = lock_gallery(session, collection)
            created = people.add_person(session, gallery, NewPerson(user_id, user_id, {}))
            event = AuditEvent("person.change", "created", collection, created.person_id)
            record(session, event)
            return created

    def get(self, collection: str, user_id: str) -> Person:
        """The user. Raises CollectionNotFound, PersonNotFound."""
        with self._database.read() as session:
            return _user(session, get_collection(session, collection, GALLERY), user_id)

    def page(self, collection: str, after: int, limit: int) -> PersonPage:
        """Users in order of creation. Raises CollectionNotFound."""
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            found = list_identified_people(session, gallery, after, limit + 1)
        return PersonPage.of(found, limit)

    def delete(self, collection: str, user_id: str) -> None:
        """Deletes a user; each of the templates becomes an anonymous person.

        Raises CollectionNotFound, PersonNotFound.
        """
        with self._database.write() as session:
            gallery = lock_gallery(session, collection)
            user = _user(session, gallery, user_id)
            for face in faces_of(session, gallery, [user])[user.person_id]:
                self._set_free(session, gallery, face)
            erasures.delete_person(session, user.person_id, self._purge_within)
            record(session, AuditEvent("person.delete", "deleted", collection, user.person_id))

    def assign(
        self, collection: str, user_id: str, template_ids: Sequence[str], accepts: Acceptance
    ) -> tuple[Person, list[Assignment]]:
        """Moves templates to a user, one after the other; returns the user afterwards.

        A template must be accepted in comparison with the best of the user's templates, or their
        mean, and with the faces that were rejected for the user; without any of these, it is moved
        unconditionally. Raises CollectionNotFound, PersonNotFound, SpaceMismatch.
        """
        with self._database.write() as session:
            gallery = lock_gallery(session, collection).require_space(self._space)
            user = _user(session, gallery, user_id)
            done = []
            for template_id in dict.fromkeys(template_ids):
                face = find_faces(session, gallery, [template_id]).get(template_id)
                done.append(self._assign(session, gallery, user, (template_id, face), accepts))
            return people.get_person(session, user.person_id), done

    def take(
        self, collection: str, user_id: str, template_ids: Sequence[str]
    ) -> tuple[Person, list[Assignment]]:
        """Makes an anonymous person of each of these templates of a user; returns the user.

        Raises CollectionNotFound, PersonNotFound.
        """
        with self._database.write() as session:
            gallery = lock_gallery(session, collection)
            user, done = _user(session, gallery, user_id), []
            found = find_faces(session, gallery, template_ids)
            for template_id in dict.fromkeys(template_ids):
                face = found.get(template_id)
                if face is None or face.person.external_id is None:
                    done.append(Assignment(template_id, found=False))
                elif face.person.row_id != user.row_id:
                    done.append(Assignment(template_id, owner=face.person))
                else:
                    self._set_free(session, gallery, face)
                    done.append(Assignment(template_id))
            return people.get_person(session, user.person_id), done

    def _assign(
        self,
        session: Session,
        gallery: Collection,
        user: Person,
        asked: tuple[str, StoredFace | None],
        accepts: Acceptance,
    ) -> Assignment:
        template_id, face = asked
        if face is None:
            return Assignment(template_id, found=False)
        if face.person.row_id == user.row_id:
            return Assignment(template_id)
        if face.person.external_id is not None:
            return Assignment(template_id, owner=face.person)
        probe = vectors_by_template_id(session, gallery, [template_id])[template_id]
        grader = Grader(self._policies.of_gallery(session, gallery))
        rejected = rejected_vectors(session, gallery, [user.row_id]).get(user.row_id)
        best = grader.grade_best(probe, with_mean(support_set(session, gallery, user)), rejected)
        if best is not None and not accepts(best):
            record(
                session, AuditEvent("photo.move", "different_person", gallery.name, user.person_id)
            )
            return Assignment(template_id, refused=best)
        self._move(session, gallery, face, user)
        delete_if_empty(session, face.person, self._purge_within)
        return Assignment(template_id)

    def _set_free(self, session: Session, gallery: Collection, face: StoredFace) -> None:
        anonymous = people.add_person(session, gallery, NewPerson(ANONYMOUS, None, {}))
        self._move(session, gallery, face, anonymous)

    def _move(
        self, session: Session, gallery: Collection, face: StoredFace, target: Person
    ) -> None:
        locked = lock_with_shadow(session, gallery.row_id)
        move_template(session, locked, face.person, face.template.template_id, target.row_id)
        for person in (face.person, target):
            record(session, AuditEvent("photo.move", "moved", gallery.name, person.person_id))


def _user(session: Session, gallery: Collection, user_id: str) -> Person:
    found = people.list_persons(session, gallery, PersonSearch(external_id=user_id), 0, 1)
    if not found:
        raise PersonNotFound("the collection has no user with this UserId")
    return found[0]
