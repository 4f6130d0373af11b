"""Verification (1:1) and open-set identification (1:N) of faces."""

from dataclasses import dataclass
from typing import Literal

from app.errors import NoFace, PersonNotFound
from app.faces.decisions.thresholds import Thresholds
from app.faces.pipeline.pipeline import FacePipeline, ImageAnalysis
from app.faces.pipeline.types import Face
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.index_sync import IndexSync
from app.store.people import Person, get_person
from app.store.search import NearestPerson, nearest_people
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
    """A 1:1 comparison with another face, or with an enrolled person: `face_b` or `person` is set.

    `estimated_fmr` is the false match rate at a threshold equal to the similarity.
    """

    similarity: float
    threshold: float
    estimated_fmr: float
    face_a: Face
    face_b: Face | None
    person: Person | None

    @property
    def verified(self) -> bool:
        """Whether the similarity reaches the threshold."""
        return self.similarity >= self.threshold


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """A face with its nearest people, most similar first.

    `person` is set if the decision is `match`.
    """

    face: Face
    decision: Decision
    person: Person | None
    candidates: tuple[NearestPerson, ...]


@dataclass(frozen=True, slots=True)
class Identification:
    """An open-set 1:N search for the faces of an image."""

    faces: tuple[IdentifiedFace, ...]
    gallery_size: int
    threshold: float


class Recognizer:
    """Compares images with images and with enrolled people."""

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
        """Compares the subjects of two images. Raises the image errors, NoFace."""
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
        """Compares the subject of an image with the most similar template of a person.

        A person without templates has the similarity -1. Raises the image errors, NoFace,
        PersonNotFound, SpaceMismatch.
        """
        with self._database.read() as session:
            person = get_person(session, person_id)
            if collection is not None and person.collection != collection:
                raise PersonNotFound(f"no person has this id in the collection {collection!r}")
            gallery = get_collection(session, person.collection, GALLERY)
            gallery.require_space(self._pipeline.embedder.space)
            templates = support_set(session, gallery, person)
        face = _subject(self._pipeline.analyze(image, timings), "image")
        probe = self._pipeline.embed([face], timings)
        similarity = max((cosine(probe[0], row) for row in templates), default=-1.0)
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
        """Searches the gallery for every face of an image, or the largest one.

        Raises the image errors, NoFace, CollectionNotFound, SpaceMismatch.
        """
        analysis = self._pipeline.analyze(image, timings)
        largest = analysis.largest()
        faces = [largest] if largest_only else list(analysis.faces)
        probes = self._pipeline.embed(faces, timings)
        with timings.stage("search"), self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            gallery.require_space(self._pipeline.embedder.space)
            threshold = self._thresholds.for_fpir(target_fpir, gallery.size)
            # The decision needs the two nearest people, even if only one is returned.
            nearest = nearest_people(session, self._index_sync, gallery, probes, max(top_k, 2))
        identified = tuple(
            self._identify(face, candidates, threshold, top_k)
            for face, candidates in zip(faces, nearest, strict=True)
        )
        return Identification(identified, gallery.size, threshold)

    def _identify(
        self, face: Face, candidates: list[NearestPerson], threshold: float, top_k: int
    ) -> IdentifiedFace:
        decision = self._decide(candidates, threshold)
        person = candidates[0].person if decision == "match" else None
        return IdentifiedFace(face, decision, person, tuple(candidates[:top_k]))

    def _decide(self, candidates: list[NearestPerson], threshold: float) -> Decision:
        """Ambiguous if a second person reaches the threshold and is almost as similar."""
        if not candidates or candidates[0].similarity < threshold:
            return "unknown"
        rivals = [rival for rival in candidates[1:] if rival.similarity >= threshold]
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
        raise NoFace(f"{field} shows no face; send an image with a visible face") from error
