"""Verification (1:1) and open-set identification (1:N) of faces."""

from dataclasses import dataclass
from typing import Literal

from app.errors import MultipleFaces, NoFace, PersonNotFound
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.policy import DecisionPolicy, Judgement, Limit, no_corrections
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.selection import FaceChoice, FaceSelection, ImageAnalysis
from app.faces.pipeline.types import Face
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.index_sync import IndexSync
from app.store.people import Person, get_person
from app.store.search import NearestPerson, nearest_people
from app.store.templates import support_set, with_mean
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
    """A 1:1 comparison with another face or an enrolled person: `face_b` or `person` is set.

    `target_fmr` is the rate in force, None with a fixed threshold.
    """

    judgement: Judgement
    target_fmr: float | None
    face_a: Face
    face_b: Face | None
    person: Person | None


@dataclass(frozen=True, slots=True)
class IdentifyOrder:
    """The parameters of an identification.

    With `rotate`, an image without a face is also examined turned by 90, 180 and 270 degrees.
    """

    collection: str
    top_k: int
    options: DecisionOptions
    faces: FaceSelection = "all"
    rotate: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person near a face, with the decision about this pair."""

    person: Person
    template_id: str
    judgement: Judgement
    score: float


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """A face with its nearest people, best normalised score first.

    `person` is set if the decision is `match`.
    """

    face: Face
    decision: Decision
    person: Person | None
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Identification:
    """An open-set 1:N search for the faces of an image.

    `threshold` is what an average pair needs; each candidate's own threshold decides. `target_fpir`
    is the rate in force, None with a fixed threshold.
    """

    faces: tuple[IdentifiedFace, ...]
    gallery_size: int
    threshold: float
    target_fpir: float | None


class Recognizer:
    """Compares images with images and with enrolled people."""

    def __init__(
        self,
        pipeline: FacePipeline,
        policies: DecisionPolicies,
        database: Database,
        index_sync: IndexSync,
        ambiguity_margin: float,
    ) -> None:
        self._pipeline, self._policies = pipeline, policies
        self._database, self._index_sync = database, index_sync
        self._ambiguity_margin = ambiguity_margin

    def embed(self, image: bytes, which: FaceSelection, timings: Timings) -> list[EmbeddedFace]:
        """Embeds faces of an image, largest first. Without a face the list is empty."""
        faces = self._pipeline.analyze(image, timings).select(which)
        embeddings = self._pipeline.embed(faces, timings)
        return [EmbeddedFace(face, row) for face, row in zip(faces, embeddings, strict=True)]

    def verify_photos(
        self,
        image_a: bytes,
        image_b: bytes,
        which: FaceChoice,
        options: DecisionOptions,
        timings: Timings,
    ) -> Verification:
        """Compares one face of each image. Raises the image errors, NoFace, MultipleFaces."""
        a = _choose(self._pipeline.analyze(image_a, timings), which, "image_a")
        b = _choose(self._pipeline.analyze(image_b, timings), which, "image_b")
        vectors = self._pipeline.embed([a, b], timings)
        rules = self._policies.of_model()
        limit = rules.verify_limit(options)
        correction = float(rules.policy.corrections(vectors).sum())
        judgement = rules.policy.judge(cosine(vectors[0], vectors[1]), correction, limit)
        return Verification(judgement, limit.target, a, b, None)

    def verify_person(
        self,
        image: bytes,
        person_id: str,
        collection: str | None,
        which: FaceChoice,
        options: DecisionOptions,
        timings: Timings,
    ) -> Verification:
        """Compares one face of an image with the templates of a person and with their mean.

        A person without templates has the similarity -1. Raises the image errors, NoFace,
        MultipleFaces, PersonNotFound, SpaceMismatch.
        """
        with self._database.read() as session:
            person = get_person(session, person_id)
            if collection is not None and person.collection != collection:
                raise PersonNotFound(f"no person has this id in the collection {collection!r}")
            gallery = get_collection(session, person.collection, GALLERY)
            gallery.require_space(self._pipeline.embedder.space)
            templates = support_set(session, gallery, person)
            rules = self._policies.of_gallery(session, gallery)
        face = _choose(self._pipeline.analyze(image, timings), which, "image")
        probe = self._pipeline.embed([face], timings)
        limit = rules.verify_limit(options)
        judgement = rules.policy.judge_best(probe[0], with_mean(templates), limit)
        return Verification(judgement, limit.target, face, None, person)

    def identify(self, image: bytes, order: IdentifyOrder, timings: Timings) -> Identification:
        """Searches the gallery for faces of an image. Without a face the result is empty.

        Raises the image errors, CollectionNotFound, SpaceMismatch.
        """
        faces = self._pipeline.analyze(image, timings, order.rotate).select(order.faces)
        probes = self._pipeline.embed(faces, timings)
        with timings.stage("search"), self._database.read() as session:
            gallery = get_collection(session, order.collection, GALLERY)
            gallery.require_space(self._pipeline.embedder.space)
            rules = self._policies.of_gallery(session, gallery)
            policy, limit = rules.policy, rules.identify_limit(order.options, gallery.size)
            # The decision needs the two nearest people, even if only one is returned.
            nearest = nearest_people(
                session,
                self._index_sync,
                gallery,
                probes,
                max(order.top_k, 2),
                no_corrections if limit.fixed else policy.corrections,
            )
        own = policy.corrections(probes).tolist()
        identified = tuple(
            self._identify(
                face, [_candidate(f, correction, policy, limit) for f in found], order.top_k
            )
            for face, correction, found in zip(faces, own, nearest, strict=True)
        )
        return Identification(identified, gallery.size, limit.threshold, limit.target)

    def _identify(self, face: Face, candidates: list[Candidate], top_k: int) -> IdentifiedFace:
        decision = self._decide(candidates)
        person = candidates[0].person if decision == "match" else None
        return IdentifiedFace(face, decision, person, tuple(candidates[:top_k]))

    def _decide(self, candidates: list[Candidate]) -> Decision:
        """Ambiguous if a second person reaches its threshold with almost the same score."""
        if not candidates or not candidates[0].judgement.matches:
            return "unknown"
        rivals = [rival for rival in candidates[1:] if rival.judgement.matches]
        if rivals and candidates[0].score - rivals[0].score < self._ambiguity_margin:
            return "ambiguous"
        return "match"


def _candidate(found: NearestPerson, own: float, policy: DecisionPolicy, limit: Limit) -> Candidate:
    correction = own + found.correction
    judgement = policy.judge(found.similarity, correction, limit)
    score = judgement.similarity if limit.fixed else judgement.similarity - correction
    return Candidate(found.person, found.template_id, judgement, score)


def _choose(analysis: ImageAnalysis, which: FaceChoice, field: str) -> Face:
    try:
        return analysis.choose(which)
    except NoFace as error:
        raise NoFace(f"{field} shows no face; send an image with a visible face") from error
    except MultipleFaces as error:
        raise MultipleFaces(error.count, field) from error
