"""Enroll: one photo is enough; the same face under two people is refused."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.errors import AlreadyEnrolled, InvalidRequest, PersonNotFound, PoorQuality
from app.faces.decisions.thresholds import Thresholds
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.types import Face
from app.store.collections import (
    Collection,
    create_collection,
    find_gallery,
    get_collection,
    lock_collection,
)
from app.store.db.database import Database
from app.store.db.tables import GALLERY, now
from app.store.idempotency import find_enrolled, remember_key
from app.store.index_sync import IndexSync
from app.store.people import (
    NewPerson,
    Person,
    Template,
    add_person,
    add_template,
    get_person,
)
from app.store.photos import keep_photo
from app.store.search import NearestEntry, nearest_entries
from app.timings import Timings
from app.vectors import Matrix

DEFAULT_COLLECTION = "default"


@dataclass(frozen=True, slots=True)
class EnrollOrder:
    """What to do with a photo. `person_id` adds it to a known person's support set. A second
    order with the same `key` and photo is answered like the first, and stores nothing."""

    name: str | None
    collection: str
    person_id: str | None
    external_id: str | None
    metadata: dict[str, Any]
    face: Literal["only", "largest"]
    allow_duplicate: bool
    dry_run: bool
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The outcome. After a dry run there is no template, and no person unless known before."""

    name: str
    face: Face
    person: Person | None
    template: Template | None
    replayed: bool = False


class Enroller:
    """Puts people into galleries. `keep_for`: how long photos are kept; None for not at all."""

    def __init__(
        self,
        pipeline: FacePipeline,
        thresholds: Thresholds,
        database: Database,
        index_sync: IndexSync,
        duplicate_fpir: float,
        keep_for: timedelta | None = None,
    ) -> None:
        self._pipeline, self._thresholds = pipeline, thresholds
        self._database, self._index_sync = database, index_sync
        self._duplicate_fpir = duplicate_fpir
        self._keep_for = keep_for

    def enroll(self, image: bytes, order: EnrollOrder, timings: Timings) -> Enrollment:
        """One photo into the gallery, in one transaction.

        Raises the image errors, NoFace, MultipleFaces, PoorQuality, AlreadyEnrolled,
        PersonNotFound, CollectionNotFound or SpaceMismatch; nothing is stored then.
        """
        if order.person_id is None and not order.name:
            raise InvalidRequest("name", "a new person needs a name")
        analysis = self._pipeline.analyze(image, timings)
        face = analysis.only() if order.face == "only" else analysis.largest()
        if face.quality.reasons:
            raise PoorQuality(face.quality.reasons)
        probe = self._pipeline.embed([face], timings)
        with timings.stage("store"):
            if order.dry_run:
                return self._rehearse(probe, face, order)
            return self._commit(image, probe, face, order)

    def _rehearse(self, probe: Matrix, face: Face, order: EnrollOrder) -> Enrollment:
        with self._database.read() as session:
            person = _known_person(session, order)
            gallery = find_gallery(session, order.collection)
            if gallery is None and order.collection != DEFAULT_COLLECTION:
                gallery = get_collection(session, order.collection, GALLERY)
            if gallery is not None:
                self._refuse_duplicate(session, gallery, probe, order)
        name = person.name if person else str(order.name)
        return Enrollment(name, face, person, None)

    def _commit(self, image: bytes, probe: Matrix, face: Face, order: EnrollOrder) -> Enrollment:
        digest = hashlib.sha256(image + repr(order).encode()).hexdigest()
        with self._database.write() as session:
            gallery = lock_collection(session, self._gallery(session, order.collection))
            if order.key is not None:
                before = find_enrolled(session, order.key, digest)
                if before is not None:
                    return Enrollment(before[0].name, face, *before, replayed=True)
            # From here on nobody else writes to this gallery, so what the duplicate check does
            # not see cannot come in before the template does.
            person = _known_person(session, order)
            self._refuse_duplicate(session, gallery, probe, order)
            if person is None:
                new = NewPerson(str(order.name), order.external_id, order.metadata)
                person = add_person(session, gallery, new)
            score = face.quality.score
            template = add_template(session, gallery, person, probe[0], score)
            if self._keep_for is not None:
                keep_photo(session, template.template_id, image, now() + self._keep_for)
            if order.key is not None:
                remember_key(session, order.key, digest, template)
        return Enrollment(person.name, face, person, template)

    def _gallery(self, session: Session, name: str) -> Collection:
        """The gallery; the default one is made when it is first needed."""
        gallery = find_gallery(session, name)
        if gallery is not None or name != DEFAULT_COLLECTION:
            return gallery or get_collection(session, name, GALLERY)
        return create_collection(session, name, GALLERY, self._pipeline.embedder.space)

    def _refuse_duplicate(
        self, session: Session, gallery: Collection, probe: Matrix, order: EnrollOrder
    ) -> None:
        gallery.require_space(self._pipeline.embedder.space)
        if order.allow_duplicate:
            return
        twin = self._nearest_other(session, gallery, probe, order.person_id)
        threshold = self._thresholds.for_fpir(self._duplicate_fpir, gallery.size)
        if twin is not None and twin.similarity >= threshold:
            raise AlreadyEnrolled(str(twin.public_id), twin.name, twin.similarity)

    def _nearest_other(
        self, session: Session, gallery: Collection, probe: Matrix, person_id: str | None
    ) -> NearestEntry | None:
        nearest = nearest_entries(session, self._index_sync, gallery, probe, 2)[0]
        return next((entry for entry in nearest if entry.public_id != person_id), None)


def _known_person(session: Session, order: EnrollOrder) -> Person | None:
    """The person that the order names, if it names one."""
    if order.person_id is None:
        return None
    person = get_person(session, order.person_id)
    if person.collection != order.collection:
        raise PersonNotFound(f"no person has this id in the collection {order.collection!r}")
    if order.name and order.name != person.name:
        raise InvalidRequest("name", "the person of this person_id has another name")
    return person
