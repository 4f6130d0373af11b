"""Stores every face of a photo by itself: one new person without an identity per face.

A person with an external id is a user in the terms of Rekognition. The people that are made here
have none and the name ANONYMOUS; they are deleted with their last template.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.types import Face
from app.faces.stored_detections import stored_detection
from app.faces.stored_images import NO_IMAGES, ImageStorage
from app.store import erasures
from app.store.collections import (
    Collection,
    get_collection,
    lock_collection,
    lock_with_shadow,
)
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.detections import add_detection
from app.store.faces import (
    FacePage,
    StoredFace,
    count_faces,
    count_identified_people,
    find_faces,
    list_faces,
)
from app.store.people import NewPerson, Person, add_person, get_person
from app.store.person_fields import require_valid_texts
from app.store.templates import add_template
from app.timings import Timings
from app.vectors import Matrix

ANONYMOUS = "anonymous"
"""The name of a person without an identity."""

QualityBar = Literal["none", "checks", "medium", "high"]
"""Which faces are stored: all, those that pass the quality checks, or in addition those with at
least the quality score of `QUALITY_SCORES`."""

QUALITY_SCORES: dict[QualityBar, float] = {"medium": 0.6, "high": 0.8}

LOW_SCORE, TOO_MANY = "low_quality_score", "exceeds_max_faces"
"""Reasons for which a face is not stored, besides those of the quality checks."""


@dataclass(frozen=True, slots=True)
class IndexOrder:
    """The parameters of storing the faces of one image, at most the `limit` largest.

    `image_id` is a text of the client, stored with every template.
    """

    collection: str
    image_id: str | None = None
    limit: int | None = None
    quality: QualityBar = "checks"


@dataclass(frozen=True, slots=True)
class RefusedFace:
    """A detected face that is not stored, and why."""

    face: Face
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExaminedImage:
    """The image file, its faces to store with their unit vectors, shape (n, dimension), and the
    others. `image_size` is (width, height) of the upright image."""

    image: bytes
    image_size: tuple[int, int]
    faces: tuple[Face, ...]
    vectors: Matrix
    refused: tuple[RefusedFace, ...]


@dataclass(frozen=True, slots=True)
class FaceDeletion:
    """What became of a template that was to be deleted: `found` is False for an unknown id, and
    `user` the person with an external id whose template is kept."""

    template_id: str
    found: bool = True
    user: Person | None = None


@dataclass(frozen=True, slots=True)
class FaceCounts:
    """A gallery, the number of its templates, and of its people with an external id."""

    collection: Collection
    faces: int
    users: int


class FaceIndex:
    """Adds, lists and deletes the faces of galleries. Each method is at most one transaction.

    `purge_within` is the longest time until deleted bytes are purged; `storage` stores images.
    """

    def __init__(
        self,
        pipeline: FacePipeline,
        database: Database,
        purge_within: timedelta,
        storage: ImageStorage = NO_IMAGES,
    ) -> None:
        self._pipeline, self._database = pipeline, database
        self._purge_within, self._storage = purge_within, storage

    def examine(self, image: bytes, order: IndexOrder, timings: Timings) -> ExaminedImage:
        """Detects, selects and embeds faces; does not use the database. Raises the image errors."""
        require_valid_texts(image_id=order.image_id)
        analysis = self._pipeline.analyze(image, timings)
        chosen: list[Face] = []
        refused: list[RefusedFace] = []
        for face in analysis.faces:
            reasons = _reasons(face, order.quality)
            if not reasons and order.limit is not None and len(chosen) >= order.limit:
                reasons = (TOO_MANY,)
            if reasons:
                refused.append(RefusedFace(face, reasons))
            else:
                chosen.append(face)
        vectors = self._pipeline.embed(chosen, timings)
        size = (analysis.width, analysis.height)
        return ExaminedImage(image, size, tuple(chosen), vectors, tuple(refused))

    def add(self, image: ExaminedImage, order: IndexOrder, timings: Timings) -> list[StoredFace]:
        """Stores the faces of an examined image, in its order, without a search for duplicates.

        Raises CollectionNotFound, SpaceMismatch.
        """
        source = secrets.token_hex(12)  # what the templates of one image have in common
        with timings.stage("store"), self._database.write() as session:
            gallery = lock_collection(session, get_collection(session, order.collection, GALLERY))
            gallery.require_space(self._pipeline.embedder.space)
            return [
                self._add(session, gallery, image, number, (source, order.image_id))
                for number in range(len(image.faces))
            ]

    def page(self, collection: str, person: Person | None, after: int, limit: int) -> FacePage:
        """Faces in order of enrollment, of one person if given. Raises CollectionNotFound."""
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            return list_faces(session, gallery, person, after, limit)

    def find(self, collection: str, template_ids: Sequence[str]) -> dict[str, StoredFace]:
        """The faces by template id; unknown ids are absent. Raises CollectionNotFound."""
        with self._database.read() as session:
            return find_faces(session, get_collection(session, collection, GALLERY), template_ids)

    def counts(self, collection: str) -> FaceCounts:
        """Counts the faces and users of a gallery. Raises CollectionNotFound."""
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            faces, users = count_faces(session, gallery), count_identified_people(session, gallery)
            return FaceCounts(gallery, faces, users)

    def delete(self, collection: str, template_ids: Sequence[str]) -> list[FaceDeletion]:
        """Deletes templates; those of people with an external id are kept.

        Raises CollectionNotFound.
        """
        with self._database.write() as session:
            gallery = lock_gallery(session, collection)
            found = find_faces(session, gallery, template_ids)
            return [
                self._delete(session, template_id, found.get(template_id))
                for template_id in dict.fromkeys(template_ids)
            ]

    def _add(
        self,
        session: Session,
        gallery: Collection,
        image: ExaminedImage,
        number: int,
        labels: tuple[str, str | None],
    ) -> StoredFace:
        face = image.faces[number]
        person = add_person(session, gallery, NewPerson(ANONYMOUS, None, {}))
        template = add_template(session, gallery, person, image.vectors[number], face.quality.score)
        detection = stored_detection(face, image.image_size, *labels)
        add_detection(session, template, detection)
        self._storage.add(session, template, image.image, face)
        record(session, AuditEvent("enroll", "enrolled", gallery.name, person.person_id))
        return StoredFace(template, person, detection)

    def _delete(self, session: Session, template_id: str, face: StoredFace | None) -> FaceDeletion:
        if face is None:
            return FaceDeletion(template_id, found=False)
        person = face.person
        if person.external_id is not None:
            return FaceDeletion(template_id, user=person)
        event = AuditEvent("photo.delete", "deleted", person.collection, person.person_id)
        erasures.delete_template(session, person.person_id, template_id, self._purge_within)
        delete_if_empty(session, person, self._purge_within)
        record(session, event)
        return FaceDeletion(template_id)


def lock_gallery(session: Session, collection: str) -> Collection:
    """Locks a gallery and its shadow collection; returns the gallery. Raises CollectionNotFound."""
    row_id = get_collection(session, collection, GALLERY).row_id
    return next(one for one in lock_with_shadow(session, row_id) if one.kind == GALLERY)


def delete_if_empty(session: Session, person: Person, purge_within: timedelta) -> None:
    """Deletes an anonymous person whose last template was deleted or moved."""
    left = get_person(session, person.person_id)
    if left.name == ANONYMOUS and left.external_id is None and not left.photos:
        erasures.delete_person(session, person.person_id, purge_within)


def _reasons(face: Face, quality: QualityBar) -> tuple[str, ...]:
    """The reasons for which the face is below the bar."""
    if quality == "none":
        return ()
    reasons = tuple(reason.code for reason in face.quality.reasons)
    if not reasons and face.quality.score < QUALITY_SCORES.get(quality, 0.0):
        return (LOW_SCORE,)
    return reasons
