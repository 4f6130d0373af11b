"""Enrolls people from one photo.

Refuses a face that is enrolled as another person, a photo of another person than the one that it is
added to, and an external id that another person has.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from app.audit_events import AuditEvent, Decision
from app.errors import (
    AlreadyEnrolled,
    DifferentPerson,
    InvalidRequest,
    PersonNotFound,
    PoorQuality,
)
from app.faces.enrollment_checks import EnrollmentChecks, PossibleDuplicate
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.selection import EVERY_FACE, FaceChoice, FaceFilter, ImageAnalysis
from app.faces.pipeline.types import Face
from app.faces.stored_detections import stored_detection
from app.faces.stored_images import NO_IMAGES, ImageStorage
from app.store.collections import (
    Collection,
    get_collection,
    lock_collection,
)
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.detections import add_detection
from app.store.idempotency import StoredEnrollment, add_key, find_enrollment
from app.store.imports import ImportedPhoto, add_imported, find_imported_face
from app.store.named_people import find_by_name
from app.store.people import (
    NewPerson,
    Person,
    add_person,
    get_person,
    require_unused_external_id,
)
from app.store.person_fields import require_valid_person, require_valid_texts
from app.store.templates import Template, add_template
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
    `imported` from the same file. `source` and `image_id` are stored with the template.
    `allow_poor_quality` enrolls a face that fails quality checks; they are stored in any case.
    `by_name` without a `person_id` adds the photo to the oldest person of this name, if any. With
    `rotate`, an image without a face is also examined turned by 90, 180 and 270 degrees.
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
    source: str | None = None
    image_id: str | None = None
    allow_poor_quality: bool = False
    by_name: bool = field(default=False, repr=False)
    rotate: bool = field(default=False, repr=False)

    def digest(self, image: bytes) -> str:
        """The SHA-256 of the order and its image, which is stored with an idempotency key.

        It is that of earlier versions for what they could order.
        """
        added = " rotate" if self.rotate else ""
        return hashlib.sha256(image + (repr(self) + added).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The result of an enrollment. A dry run has no template, and no new person.

    `replayed` is true if an earlier order with the same idempotency key, or for the same imported
    face, stored it. `possible_duplicate` is another person whom the photo would verify as; None
    for a replayed result and with `allow_duplicate`, since the photo was not compared.
    """

    name: str
    face: Face
    person: Person | None
    template: Template | None
    possible_duplicate: PossibleDuplicate | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ExaminedPhoto:
    """The image file, the chosen face and its unit vector, shape (1, dimension).

    `image_size` is the width and height of the upright image in pixels.
    """

    image: bytes
    face: Face
    probe: Matrix
    image_size: tuple[int, int]


class Enroller:
    """Adds people and templates to galleries, with the images that `storage` stores."""

    def __init__(
        self,
        pipeline: FacePipeline,
        database: Database,
        checks: EnrollmentChecks,
        storage: ImageStorage = NO_IMAGES,
    ) -> None:
        self._pipeline, self._database, self._checks = pipeline, database, checks
        self._storage = storage

    def enroll(self, image: bytes, order: EnrollOrder, timings: Timings) -> Enrollment:
        """Examines one photo and adds it. Raises the errors of `examine` and `add`."""
        return self.add(self.examine(image, order, timings), order, timings)

    def examine(
        self,
        image: bytes,
        order: EnrollOrder,
        timings: Timings,
        accepted: FaceFilter = EVERY_FACE,
    ) -> ExaminedPhoto:
        """Checks the fields of the order and the image; does not use the database.

        The face is chosen among those that `accepted` accepts. Raises the image errors, NoFace,
        MultipleFaces, PoorQuality or InvalidRequest.
        """
        if order.person_id is None and not order.name:
            raise InvalidRequest(
                "name", "a name is required; send name, or person_id to add a photo"
            )
        require_valid_person(order.name or None, order.external_id, order.metadata)
        require_valid_texts(source=order.source, image_id=order.image_id)
        analysis = self._pipeline.analyze(image, timings, order.rotate).filtered(accepted)
        face = _choose(analysis, order.face)
        if face.quality.reasons and not order.allow_poor_quality:
            raise PoorQuality(face.quality.reasons)
        probe = self._pipeline.embed([face], timings)
        return ExaminedPhoto(image, face, probe, (analysis.width, analysis.height))

    def add(self, photo: ExaminedPhoto, order: EnrollOrder, timings: Timings) -> Enrollment:
        """Stores the template of an examined photo, in one transaction.

        The audit log also records dry runs, and refusals that name another person.

        Raises DifferentPerson, AlreadyEnrolled, ExternalIdTaken, PersonNotFound,
        CollectionNotFound, SpaceMismatch, InvalidRequest or IdempotencyKeyReused; nothing is
        stored then.
        """
        with timings.stage("store"):
            try:
                if order.dry_run:
                    return self._check(photo.probe, photo.face, order)
                return self._store(photo, order)
            except AlreadyEnrolled as refused:
                self._database.record(_event(order, "already_enrolled", refused.person_id))
                raise
            except DifferentPerson as refused:
                self._database.record(_event(order, "different_person", refused.person_id))
                raise

    def _check(self, probe: Matrix, face: Face, order: EnrollOrder) -> Enrollment:
        """Checks an order without storing anything."""
        with self._database.read() as session:
            gallery = get_collection(session, order.collection, GALLERY)
            person = _known_person(session, gallery, order)
            resembled = self._compare(session, gallery, probe, person, order)
            if order.external_id is not None:
                require_unused_external_id(session, gallery, order.external_id)
        self._database.record(_event(order, "dry_run", person.person_id if person else None))
        return Enrollment(person.name if person else str(order.name), face, person, None, resembled)

    def _store(self, photo: ExaminedPhoto, order: EnrollOrder) -> Enrollment:
        image, face, probe = photo.image, photo.face, photo.probe
        digest = order.digest(image)
        with self._database.write() as session:
            # The lock blocks other writers, so nothing can be added between the checks and the
            # commit.
            gallery = lock_collection(session, get_collection(session, order.collection, GALLERY))
            stored = self._stored_before(session, gallery, probe, order, digest)
            if stored is not None:
                person, template = stored.person, stored.template
                record(session, _event(order, "replayed", person.person_id))
                return Enrollment(person.name, face, person, template, replayed=True)
            known = _known_person(session, gallery, order)
            resembled = self._compare(session, gallery, probe, known, order)
            person = known or add_person(
                session, gallery, NewPerson(str(order.name), order.external_id, order.metadata)
            )
            template = add_template(session, gallery, person, probe[0], face.quality.score)
            detection = stored_detection(face, photo.image_size, order.source, order.image_id)
            add_detection(session, template, detection)
            self._storage.add(session, template, image, face)
            if order.key is not None:
                add_key(session, order.key, digest, template)
            if order.imported is not None:
                add_imported(session, template, order.imported)
            record(session, _event(order, "enrolled", person.person_id))
        return Enrollment(person.name, face, person, template, resembled)

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

    def _compare(
        self,
        session: Session,
        gallery: Collection,
        probe: Matrix,
        known: Person | None,
        order: EnrollOrder,
    ) -> PossibleDuplicate | None:
        """Raises DifferentPerson or AlreadyEnrolled for an order that must not be stored."""
        gallery.require_space(self._pipeline.embedder.space)
        if known is not None and not order.allow_mismatch:
            self._checks.refuse_mismatch(session, gallery, probe, known)
        if order.allow_duplicate:
            return None
        person_id = known.person_id if known is not None else None
        return self._checks.refuse_duplicate(session, gallery, probe, person_id)


def _event(order: EnrollOrder, decision: Decision, person_id: str | None) -> AuditEvent:
    return AuditEvent("enroll", decision, order.collection, person_id)


def _choose(analysis: ImageAnalysis, which: FaceChoice) -> Face:
    """Unlike a comparison, an enrollment refuses an image that shows two possible subjects."""
    return analysis.unrivalled_subject() if which == "subject" else analysis.choose(which)


def _known_person(session: Session, gallery: Collection, order: EnrollOrder) -> Person | None:
    """Returns the person of the order's person_id, or of its name with `by_name`, if any.

    Raises PersonNotFound, or InvalidRequest if the person has another name.
    """
    if order.person_id is None:
        named = find_by_name(session, gallery, str(order.name)) if order.by_name else []
        return named[0] if named else None
    person = get_person(session, order.person_id)
    if person.collection != order.collection:
        raise PersonNotFound(f"no person has this id in the collection {order.collection!r}")
    if order.name and order.name != person.name:
        raise InvalidRequest(
            "name",
            "the person has another name; omit name, or change it with PATCH /persons/{person_id}",
        )
    return person
