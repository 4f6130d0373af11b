"""Enrolls people from one photo.

Refuses a face that is enrolled as another person, a photo of another person than the one that it is
added to, and an external id that another person has.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.errors import (
    AlreadyEnrolled,
    DifferentPerson,
    InvalidRequest,
    PersonNotFound,
    PoorQuality,
)
from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.policy import DecisionPolicy
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.selection import FaceChoice, ImageAnalysis
from app.faces.pipeline.types import Face
from app.store.collections import (
    Collection,
    get_collection,
    lock_collection,
)
from app.store.db.database import Database
from app.store.db.tables import GALLERY, now
from app.store.idempotency import StoredEnrollment, add_key, find_enrollment
from app.store.imports import ImportedPhoto, add_imported, find_imported_face
from app.store.index_sync import IndexSync
from app.store.people import (
    NewPerson,
    Person,
    add_person,
    get_person,
    require_unused_external_id,
)
from app.store.person_fields import require_valid_person
from app.store.photos import add_photo
from app.store.search import NearestPerson, nearest_people
from app.store.templates import Template, add_template, support_set, with_mean
from app.timings import Timings
from app.vectors import Matrix

DEFAULT_COLLECTION = "default"
"""The gallery of requests that name none. It is created at start and cannot be missing."""


@dataclass(frozen=True, slots=True)
class EnrollOrder:
    """The parameters of an enrollment. `person_id` adds the photo to a known person.

    The photo must match that person unless `allow_mismatch`, and no other person unless
    `allow_duplicate`. A second order with the same idempotency `key` and image returns the result
    of the first, and stores nothing; so does an order of a bulk import for a face that was
    `imported` from the same file.
    """

    name: str | None
    collection: str
    person_id: str | None
    external_id: str | None
    metadata: dict[str, Any]
    face: FaceChoice
    allow_duplicate: bool
    allow_mismatch: bool
    dry_run: bool
    key: str | None = None
    imported: ImportedPhoto | None = None


@dataclass(frozen=True, slots=True)
class EnrollmentRates:
    """The error rates of the checks, in (0, 1).

    `duplicate_fpir` is the share of new people who are refused as duplicates, `mismatch_fmr` the
    share of other people's photos that are accepted for a known person.
    """

    duplicate_fpir: float
    mismatch_fmr: float


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The result of an enrollment. A dry run has no template, and no new person.

    `replayed` is true if an earlier order with the same idempotency key, or for the same imported
    face, stored it.
    """

    name: str
    face: Face
    person: Person | None
    template: Template | None
    replayed: bool = False


class Enroller:
    """Adds people and templates to galleries. `photo_lifetime` is None if photos are not stored."""

    def __init__(
        self,
        pipeline: FacePipeline,
        policies: DecisionPolicies,
        database: Database,
        index_sync: IndexSync,
        rates: EnrollmentRates,
        photo_lifetime: timedelta | None = None,
    ) -> None:
        self._pipeline, self._policies = pipeline, policies
        self._database, self._index_sync = database, index_sync
        self._rates = rates
        self._photo_lifetime = photo_lifetime

    def enroll(self, image: bytes, order: EnrollOrder, timings: Timings) -> Enrollment:
        """Stores the template of one photo, in one transaction.

        Raises the image errors, NoFace, MultipleFaces, PoorQuality, InvalidRequest,
        DifferentPerson, AlreadyEnrolled, ExternalIdTaken, PersonNotFound, CollectionNotFound,
        SpaceMismatch or IdempotencyKeyReused; nothing is stored then.
        """
        if order.person_id is None and not order.name:
            raise InvalidRequest(
                "name", "a name is required; send name, or person_id to add a photo"
            )
        require_valid_person(order.name or None, order.external_id, order.metadata)
        face = _choose(self._pipeline.analyze(image, timings), order.face)
        if face.quality.reasons:
            raise PoorQuality(face.quality.reasons)
        probe = self._pipeline.embed([face], timings)
        with timings.stage("store"):
            if order.dry_run:
                return self._check(probe, face, order)
            return self._store(image, probe, face, order)

    def _check(self, probe: Matrix, face: Face, order: EnrollOrder) -> Enrollment:
        """Checks an order without storing anything."""
        with self._database.read() as session:
            person = _known_person(session, order)
            gallery = get_collection(session, order.collection, GALLERY)
            self._refuse(session, gallery, probe, person, order)
            if order.external_id is not None:
                require_unused_external_id(session, gallery, order.external_id)
        return Enrollment(person.name if person else str(order.name), face, person, None)

    def _store(self, image: bytes, probe: Matrix, face: Face, order: EnrollOrder) -> Enrollment:
        digest = hashlib.sha256(image + repr(order).encode()).hexdigest()
        with self._database.write() as session:
            # The lock blocks other writers, so nothing can be added between the checks and the
            # commit.
            gallery = lock_collection(session, get_collection(session, order.collection, GALLERY))
            stored = self._stored_before(session, gallery, probe, order, digest)
            if stored is not None:
                person, template = stored.person, stored.template
                return Enrollment(person.name, face, person, template, replayed=True)
            known = _known_person(session, order)
            self._refuse(session, gallery, probe, known, order)
            person = known or add_person(
                session, gallery, NewPerson(str(order.name), order.external_id, order.metadata)
            )
            template = add_template(session, gallery, person, probe[0], face.quality.score)
            if self._photo_lifetime is not None:
                add_photo(session, template, image, now() + self._photo_lifetime)
            if order.key is not None:
                add_key(session, order.key, digest, template)
            if order.imported is not None:
                add_imported(session, template, order.imported)
        return Enrollment(person.name, face, person, template)

    def _stored_before(
        self, session: Session, gallery: Collection, probe: Matrix, order: EnrollOrder, digest: str
    ) -> StoredEnrollment | None:
        """Returns what an earlier order with the same key or imported face stored."""
        stored: StoredEnrollment | None = None
        if order.key is not None:
            stored = find_enrollment(session, order.key, digest)
        if stored is None and order.imported is not None:
            gallery.require_space(self._pipeline.embedder.space)
            stored = find_imported_face(session, gallery, order.imported, probe[0])
            if stored is not None:
                add_imported(session, stored.template, order.imported)
        return stored

    def _refuse(
        self,
        session: Session,
        gallery: Collection,
        probe: Matrix,
        known: Person | None,
        order: EnrollOrder,
    ) -> None:
        """Raises the errors of an order that must not be stored."""
        gallery.require_space(self._pipeline.embedder.space)
        if known is not None and not order.allow_mismatch:
            self._refuse_mismatch(session, gallery, probe, known)
        if not order.allow_duplicate:
            self._refuse_duplicate(session, gallery, probe, order)

    def _refuse_mismatch(
        self, session: Session, gallery: Collection, probe: Matrix, known: Person
    ) -> None:
        """Verifies the photo 1:1 against the person; one without templates accepts any photo."""
        templates = support_set(session, gallery, known)
        if not len(templates):
            return
        policy = self._policies.of_gallery(session, gallery).policy
        limit = policy.for_fmr(self._rates.mismatch_fmr)
        judgement = policy.judge_best(probe[0], with_mean(templates), limit)
        if not judgement.matches:
            raise DifferentPerson(
                known.person_id, known.name, judgement.similarity, judgement.threshold
            )

    def _refuse_duplicate(
        self, session: Session, gallery: Collection, probe: Matrix, order: EnrollOrder
    ) -> None:
        policy = self._policies.of_gallery(session, gallery).policy
        nearest = self._nearest_other(session, gallery, probe, order.person_id, policy)
        if nearest is None:
            return
        limit = policy.for_fpir(self._rates.duplicate_fpir, gallery.size)
        [own] = policy.corrections(probe).tolist()
        judgement = policy.judge(nearest.similarity, own + nearest.correction, limit)
        if judgement.matches:
            person = nearest.person
            raise AlreadyEnrolled(
                person.person_id, person.name, judgement.similarity, judgement.threshold
            )

    def _nearest_other(
        self,
        session: Session,
        gallery: Collection,
        probe: Matrix,
        person_id: str | None,
        policy: DecisionPolicy,
    ) -> NearestPerson | None:
        corrections = policy.corrections
        [nearest] = nearest_people(session, self._index_sync, gallery, probe, 2, corrections)
        return next((found for found in nearest if found.person.person_id != person_id), None)


def _choose(analysis: ImageAnalysis, which: FaceChoice) -> Face:
    """Unlike a comparison, an enrollment refuses an image that shows two possible subjects."""
    return analysis.unrivalled_subject() if which == "subject" else analysis.choose(which)


def _known_person(session: Session, order: EnrollOrder) -> Person | None:
    """Returns the person of the order's person_id, if any.

    Raises PersonNotFound, or InvalidRequest if the person has another name.
    """
    if order.person_id is None:
        return None
    person = get_person(session, order.person_id)
    if person.collection != order.collection:
        raise PersonNotFound(f"no person has this id in the collection {order.collection!r}")
    if order.name and order.name != person.name:
        raise InvalidRequest(
            "name",
            "the person has another name; omit name, or change it with PATCH /persons/{person_id}",
        )
    return person
