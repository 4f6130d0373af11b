"""Verify and identify: policy on top of the pipeline and the store."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from app.errors import NoFace, PersonNotFound
from app.faces.decisions.thresholds import Thresholds
from app.faces.pipeline.pipeline import FacePipeline, ImageAnalysis
from app.faces.pipeline.types import Face
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.index_sync import IndexSync
from app.store.people import Person, get_person
from app.store.search import NearestEntry, nearest_entries
from app.store.templates import support_set
from app.timings import Timings
from app.vectors import Vector, cosine

Decision = Literal["match", "unknown", "ambiguous"]


@dataclass(frozen=True, slots=True)
class EmbeddedFace:
    """A face with its embedding of unit length, shape (dimension,)."""

    face: Face
    embedding: Vector


@dataclass(frozen=True, slots=True)
class Verification:
    """A 1:1 comparison. `face_b` is None against a person, who is then `person`."""

    similarity: float
    threshold: float
    estimated_fmr: float
    face_a: Face
    face_b: Face | None
    person: Person | None

    @property
    def verified(self) -> bool:
        """A match is a similarity that reaches the threshold."""
        return self.similarity >= self.threshold


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """One face with its nearest people, best first, whatever the decision.

    `person` is the one it matches; None if the decision is another.
    """

    face: Face
    decision: Decision
    person: Person | None
    candidates: tuple[NearestEntry, ...]


@dataclass(frozen=True, slots=True)
class Identification:
    """An open-set 1:N search of every face asked for."""

    faces: tuple[IdentifiedFace, ...]
    gallery_size: int
    threshold: float


class Recognizer:
    """Compares photos with photos and with people who are enrolled."""

    def __init__(
        self,
        pipeline: FacePipeline,
        thresholds: Thresholds,
        database: Database,
        index_sync: IndexSync,
        ambiguity_margin: float,
    ) -> None:
        self._pipeline, self._thresholds = pipeline, thresholds
        self._database, self._index_sync = database, index_sync
        self._ambiguity_margin = ambiguity_margin

    def embed(self, image: bytes, largest_only: bool, timings: Timings) -> list[EmbeddedFace]:
        """Embeds every face of an image, or the largest one. Without a face the list is empty."""
        analysis = self._pipeline.analyze(image, timings)
        faces = analysis.faces[:1] if largest_only else analysis.faces
        embeddings = self._pipeline.embed(faces, timings)
        return [EmbeddedFace(face, row) for face, row in zip(faces, embeddings, strict=True)]

    def verify_photos(
        self, image_a: bytes, image_b: bytes, target_fmr: float, timings: Timings
    ) -> Verification:
        """Do two photos show one person? The subject of each counts (`ImageAnalysis.subject`)."""
        a = _subject(self._pipeline.analyze(image_a, timings), "image_a")
        b = _subject(self._pipeline.analyze(image_b, timings), "image_b")
        vectors = self._pipeline.embed([a, b], timings)
        similarity = cosine(vectors[0], vectors[1])
        return self._verification(similarity, target_fmr, a, b, None)

    def verify_person(
        self,
        image: bytes,
        person_id: str,
        collection: str | None,
        target_fmr: float,
        timings: Timings,
    ) -> Verification:
        """Does the photo show this person? The best template of the support set counts.

        A person without any photo left is similar to nobody (-1).
        """
        with self._database.read() as session:
            person = get_person(session, person_id)
            if collection is not None and person.collection != collection:
                raise PersonNotFound(f"no person has this id in the collection {collection!r}")
            gallery = get_collection(session, person.collection, GALLERY)
            gallery.require_space(self._pipeline.embedder.space)
            known = support_set(session, gallery, person)
        face = _subject(self._pipeline.analyze(image, timings), "image")
        probe = self._pipeline.embed([face], timings)
        similarity = max((cosine(probe[0], row) for row in known), default=-1.0)
        return self._verification(similarity, target_fmr, face, None, person)

    def identify(
        self,
        image: bytes,
        collection: str,
        top_k: int,
        target_fpir: float,
        largest_only: bool,
        timings: Timings,
    ) -> Identification:
        """Who are the people in the photo? Raises NoFace where it shows nobody."""
        analysis = self._pipeline.analyze(image, timings)
        largest = analysis.largest()
        faces = [largest] if largest_only else list(analysis.faces)
        probes = self._pipeline.embed(faces, timings)
        with timings.stage("search"), self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            gallery.require_space(self._pipeline.embedder.space)
            threshold = self._thresholds.for_fpir(target_fpir, gallery.size)
            rows = nearest_entries(session, self._index_sync, gallery, probes, max(top_k, 2))
            identified = tuple(
                self._conclude(session, face, row, threshold, top_k)
                for face, row in zip(faces, rows, strict=True)
            )
        return Identification(identified, gallery.size, threshold)

    def _conclude(
        self, session: Session, face: Face, row: list[NearestEntry], threshold: float, top_k: int
    ) -> IdentifiedFace:
        decision = self._decide(row, threshold)
        person = get_person(session, str(row[0].public_id)) if decision == "match" else None
        return IdentifiedFace(face, decision, person, tuple(row[:top_k]))

    def _decide(self, candidates: list[NearestEntry], threshold: float) -> Decision:
        """Ambiguous: a second person reaches the threshold and is nearly as similar."""
        if not candidates or candidates[0].similarity < threshold:
            return "unknown"
        rivals = [entry for entry in candidates[1:] if entry.similarity >= threshold]
        if rivals and candidates[0].similarity - rivals[0].similarity < self._ambiguity_margin:
            return "ambiguous"
        return "match"

    def _verification(
        self,
        similarity: float,
        target_fmr: float,
        face_a: Face,
        face_b: Face | None,
        person: Person | None,
    ) -> Verification:
        return Verification(
            similarity,
            self._thresholds.for_fmr(target_fmr),
            self._thresholds.fmr_at(similarity),
            face_a,
            face_b,
            person,
        )


def _subject(analysis: ImageAnalysis, field: str) -> Face:
    try:
        return analysis.subject()
    except NoFace as error:
        raise NoFace(f"{field} shows no face") from error
