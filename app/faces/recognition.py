"""Verification (1:1) and open-set identification (1:N) of faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.errors import PersonNotFound
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.policy import Judgement
from app.faces.decisions.rules import DecisionRules
from app.faces.enrollment import DEFAULT_COLLECTION
from app.faces.people_search import Candidate, PeopleSearcher, SearchRule
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.selection import EVERY_FACE, FaceChoice, FaceFilter, FaceSelection
from app.faces.pipeline.types import Face
from app.faces.probes import Probe, ProbeReader, Sample
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.people import Person, get_person
from app.store.rejections import rejected_vectors
from app.store.templates import support_set, with_mean
from app.timings import Timings
from app.vectors import Matrix, Vector, cosine

Decision = Literal["match", "unknown", "ambiguous"]


@dataclass(frozen=True, slots=True)
class EmbeddedFace:
    """A face with its embedding of unit length, shape (dimension,)."""

    face: Face
    embedding: Vector


@dataclass(frozen=True, slots=True)
class Verification:
    """A 1:1 comparison with another face or an enrolled person, who is `person` then.

    `target_fmr` is the rate in force, None with a fixed threshold. Samples other than images have
    no faces: both are None if embeddings or templates were compared.
    """

    judgement: Judgement
    target_fmr: float | None
    face_a: Face | None
    face_b: Face | None
    person: Person | None


@dataclass(frozen=True, slots=True)
class IdentifyOrder:
    """The parameters of an identification.

    With `rotate`, an image without a face is also examined turned by 90, 180 and 270 degrees. Faces
    that `accepted` does not accept are ignored.
    """

    collection: str
    top_k: int
    options: DecisionOptions
    faces: FaceSelection = "all"
    rotate: bool = False
    accepted: FaceFilter = EVERY_FACE


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """A face with its nearest people, best normalised score first.

    `person` is set if the decision is `match`. `face` is None unless an image was sent.
    `embedding` is the unit vector that was searched for, shape (dimension,). `visitor_id` is that
    of an unknown face, see `app.faces.visitors`.
    """

    face: Face | None
    embedding: Vector
    decision: Decision
    person: Person | None
    candidates: tuple[Candidate, ...]
    visitor_id: str | None = None


@dataclass(frozen=True, slots=True)
class Identification:
    """An open-set 1:N search for the faces of an image.

    `threshold` is what an average pair of these faces needs; that of each candidate decides.
    `target_fpir` is the rate in force, None with a fixed threshold. A match is `ambiguous` if
    another person who matches is less than `ambiguity_margin` behind, by `similarity - threshold`.
    `visitor_days` is set if the gallery has the option `visitors`.
    """

    faces: tuple[IdentifiedFace, ...]
    gallery_size: int
    threshold: float
    target_fpir: float | None
    ambiguity_margin: float
    visitor_days: int | None = None


class Recognizer:
    """Compares images, embeddings and templates with each other and with enrolled people."""

    def __init__(
        self,
        pipeline: FacePipeline,
        policies: DecisionPolicies,
        database: Database,
        searcher: PeopleSearcher,
        ambiguity_margin: float,
    ) -> None:
        self._pipeline, self._policies = pipeline, policies
        self._probes, self._space = ProbeReader(pipeline, database), pipeline.embedder.space
        self._database, self._searcher = database, searcher
        self._ambiguity_margin = ambiguity_margin

    def embed(
        self,
        image: bytes,
        which: FaceSelection,
        timings: Timings,
        accepted: FaceFilter = EVERY_FACE,
    ) -> list[EmbeddedFace]:
        """Embeds faces of an image, largest first. Without a face the list is empty."""
        faces = self._pipeline.analyze(image, timings).filtered(accepted).select(which)
        embeddings = self._pipeline.embed(faces, timings)
        return [EmbeddedFace(face, row) for face, row in zip(faces, embeddings, strict=True)]

    def verify_pair(
        self,
        a: Sample,
        b: Sample,
        which: FaceChoice,
        options: DecisionOptions,
        timings: Timings,
        collection: str | None = None,
        *,
        rotate: bool = False,
    ) -> Verification:
        """Compares two samples, one face of each image.

        `collection` is the gallery of samples that are templates; its rules decide then. With
        `rotate`, an image without a face is also examined turned by 90, 180 and 270 degrees. Raises
        like `ProbeReader.read`.
        """
        samples, gallery = {"_a": a, "_b": b}, collection or DEFAULT_COLLECTION
        first, second = self._probes.read(samples, which, gallery, timings, rotate)
        rules = self._rules(collection)
        limit = rules.verify_limit(options)
        vectors = np.stack([first.embedding, second.embedding])
        correction = float(rules.policy.corrections(vectors).sum())
        judgement = rules.policy.judge(cosine(*vectors), correction, limit)
        return Verification(judgement, limit.target, first.face, second.face, None)

    def verify_person(
        self,
        sample: Sample,
        person_id: str,
        collection: str | None,
        which: FaceChoice,
        options: DecisionOptions,
        timings: Timings,
        *,
        rotate: bool = False,
    ) -> Verification:
        """Compares a sample, one face of an image, with a person's templates and their mean.

        A person without templates has the similarity -1. `rotate` as in `verify_pair`. Raises like
        `ProbeReader.read`, and PersonNotFound.
        """
        with self._database.read() as session:
            person = get_person(session, person_id)
            if collection is not None and person.collection != collection:
                raise PersonNotFound(f"no person has this id in the collection {collection!r}")
            gallery = get_collection(session, person.collection, GALLERY)
            gallery.require_space(self._space)
            templates = support_set(session, gallery, person)
            rejected = rejected_vectors(session, gallery, [person.row_id]).get(person.row_id)
            rules = self._policies.of_gallery(session, gallery)
        [probe] = self._probes.read({"": sample}, which, person.collection, timings, rotate)
        limit = rules.verify_limit(options)
        compared = with_mean(templates)
        judgement = rules.policy.judge_best(probe.embedding, compared, limit, rejected)
        return Verification(judgement, limit.target, probe.face, None, person)

    def identify(self, sample: Sample, order: IdentifyOrder, timings: Timings) -> Identification:
        """Searches the gallery for the faces of an image, an embedding or one of its templates.

        An image without a face has an empty result. Raises like `ProbeReader.read_all`.
        """
        return self.identify_all([sample], order, timings)

    def identify_all(
        self, samples: Sequence[Sample], order: IdentifyOrder, timings: Timings
    ) -> Identification:
        """Searches the gallery for several samples at once, like `identify`."""
        found = [probe for sample in samples for probe in self._read(sample, order, timings)]
        probes = _matrix(found, self._space.dimension)
        with timings.stage("search"), self._database.read() as session:
            gallery = get_collection(session, order.collection, GALLERY)
            gallery.require_space(self._space)
            rules = self._policies.of_gallery(session, gallery)
            limit = rules.search_limit(order.options, gallery.size)
            rule = SearchRule(rules.policy, limit, gallery)
            judged = self._searcher.search(session, rule, probes, order.top_k)
        identified = tuple(
            self._identify(probe, candidates, order.top_k)
            for probe, candidates in zip(found, judged, strict=True)
        )
        days = gallery.options.get("visitors", {}).get("days")
        margin = self._ambiguity_margin
        threshold = rule.average_threshold(judged)
        return Identification(identified, gallery.size, threshold, limit.target, margin, days)

    def _rules(self, collection: str | None) -> DecisionRules:
        """The rules of a gallery, or of comparisons outside of any."""
        if collection is None:
            return self._policies.of_model()
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            return self._policies.of_gallery(session, gallery)

    def _read(self, sample: Sample, order: IdentifyOrder, timings: Timings) -> list[Probe]:
        return self._probes.read_all(
            sample, order.faces, order.rotate, order.collection, timings, order.accepted
        )

    def _identify(self, probe: Probe, candidates: list[Candidate], top_k: int) -> IdentifiedFace:
        decision = self._decide(candidates)
        person = candidates[0].person if decision == "match" else None
        kept = tuple(candidates[:top_k])
        return IdentifiedFace(probe.face, probe.embedding, decision, person, kept)

    def _decide(self, candidates: list[Candidate]) -> Decision:
        """Ambiguous if a second person reaches its threshold with almost the same score."""
        if not candidates or not candidates[0].judgement.matches:
            return "unknown"
        rivals = [rival for rival in candidates[1:] if rival.judgement.matches]
        if rivals and candidates[0].score - rivals[0].score < self._ambiguity_margin:
            return "ambiguous"
        return "match"


def _matrix(probes: Sequence[Probe], dimension: int) -> Matrix:
    """The embeddings as rows, shape (probes, dimension)."""
    rows = [probe.embedding for probe in probes]
    return np.stack(rows) if rows else np.empty((0, dimension), dtype=np.float32)
