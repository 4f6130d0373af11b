"""Records that a face is not a person, so that the pair is never a match again."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.selection import FaceChoice
from app.faces.pipeline.types import Face
from app.faces.probes import Probe, ProbeReader, Sample, TemplateSample
from app.store import rejections
from app.store.collections import Collection
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.people import Person, get_person, lock_person
from app.store.rejections import Rejection
from app.timings import Timings


@dataclass(frozen=True, slots=True)
class RejectedFace:
    """What is known not to be a person: a stored template, or a probe that will be stored."""

    person_id: str
    content: str | Probe

    @property
    def face(self) -> Face | None:
        """The face of an image; None for a template or an embedding."""
        return None if isinstance(self.content, str) else self.content.face


class Rejecter:
    """Stores, lists and deletes rejections; the rule is in docs/adr/0020-rejections.md."""

    def __init__(self, pipeline: FacePipeline, database: Database) -> None:
        self._database, self._space = database, pipeline.embedder.space
        self._probes = ProbeReader(pipeline, database)

    def examine(
        self,
        person_id: str,
        sample: Sample,
        which: FaceChoice,
        timings: Timings,
        rotate: bool = False,
    ) -> RejectedFace:
        """Reads the face of an image, or an embedding; a template is used as it is stored.

        Raises PersonNotFound, and like `ProbeReader.read`.
        """
        with self._database.read() as session:
            person = get_person(session, person_id)
        if isinstance(sample, TemplateSample):
            return RejectedFace(person_id, sample.template_id)
        [probe] = self._probes.read({"": sample}, which, person.collection, timings, rotate)
        return RejectedFace(person_id, probe)

    def reject(self, rejected: RejectedFace) -> Rejection:
        """Stores the rejection in one transaction. A template that is rejected already stays so.

        Raises PersonNotFound, SpaceMismatch, InvalidRequest.
        """
        with self._database.write() as session:
            person, gallery = _lock(session, rejected.person_id)
            if isinstance(rejected.content, str):
                stored = rejections.reject_template(session, gallery, person, rejected.content)
            else:
                gallery.require_space(self._space)
                vector = rejected.content.embedding
                stored = rejections.reject_vector(session, gallery, person, vector)
            event = AuditEvent("rejection.create", "created", gallery.name, person.person_id)
            record(session, event)
            return stored

    def list(self, person_id: str) -> list[Rejection]:
        """Returns the rejections of a person, oldest first. Raises PersonNotFound."""
        with self._database.read() as session:
            return rejections.list_rejections(session, get_person(session, person_id))

    def delete(self, person_id: str, rejection_id: str) -> None:
        """Deletes a rejection; the face may match again.

        Raises PersonNotFound, RejectionNotFound.
        """
        with self._database.write() as session:
            person, gallery = _lock(session, person_id)
            rejections.delete_rejection(session, person, rejection_id)
            record(session, AuditEvent("rejection.delete", "deleted", gallery.name, person_id))


def _lock(session: Session, person_id: str) -> tuple[Person, Collection]:
    person, locked = lock_person(session, person_id)
    [gallery] = [collection for collection in locked if collection.kind == GALLERY]
    return person, gallery
