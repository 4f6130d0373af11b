"""Searches galleries for single faces instead of people, and compares the faces of two images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from app.errors import NoFace
from app.faces.decisions.grading import GradedJudgement, Grader, best_of
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.rules import DecisionRules
from app.faces.people_search import Candidate, PeopleSearcher, SearchRule
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.selection import ImageAnalysis
from app.faces.pipeline.types import Face
from app.store.collections import Collection, get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.faces import StoredFace, faces_of
from app.store.people import Person
from app.store.templates import vectors_by_template_id, with_mean
from app.timings import Timings
from app.vectors import Matrix, Vector

_WIDENED = 4


@dataclass(frozen=True, slots=True)
class FaceProbe:
    """A face of an image to search for, the largest one, and its unit vector, shape (dimension,).

    `others` are the smaller faces of the image.
    """

    face: Face
    vector: Vector
    image_size: tuple[int, int]
    others: tuple[Face, ...]


@dataclass(frozen=True, slots=True)
class FaceMatch:
    """A stored face near the probe."""

    face: StoredFace
    graded: GradedJudgement

    @property
    def person(self) -> Person:
        """The person whom the face belongs to."""
        return self.face.person


@dataclass(frozen=True, slots=True)
class UserMatch:
    """A person with an external id near the probe; graded by the best template or their mean."""

    person: Person
    graded: GradedJudgement


@dataclass(frozen=True, slots=True)
class ComparedFace:
    """A face of the target image, compared with the source."""

    face: Face
    graded: GradedJudgement


@dataclass(frozen=True, slots=True)
class FaceComparison:
    """The largest face of the source image and all faces of the target, largest first."""

    source: Face
    source_size: tuple[int, int]
    targets: tuple[ComparedFace, ...]
    target_size: tuple[int, int]


class FaceSearcher:
    """Grades stored faces, users and faces of images by their similarity to a face."""

    def __init__(
        self,
        pipeline: FacePipeline,
        policies: DecisionPolicies,
        database: Database,
        searcher: PeopleSearcher,
    ) -> None:
        self._pipeline, self._policies = pipeline, policies
        self._database, self._searcher = database, searcher

    def probe(self, image: bytes, timings: Timings) -> FaceProbe:
        """The largest face of an image. Raises the image errors, NoFace."""
        analysis = self._pipeline.analyze(image, timings)
        face = analysis.largest()
        [vector] = self._pipeline.embed([face], timings)
        return FaceProbe(face, vector, _size(analysis), analysis.faces[1:])

    def compare(self, source: bytes, target: bytes, timings: Timings) -> FaceComparison:
        """Compares the largest face of one image with every face of another.

        Raises the image errors, and NoFace if one of them shows no face.
        """
        a, b = (self._pipeline.analyze(image, timings) for image in (source, target))
        for name, analysis in (("source", a), ("target", b)):
            if not analysis.faces:
                raise NoFace(f"the {name} image shows no face; send an image with a visible face")
        vectors = self._pipeline.embed([a.largest(), *b.faces], timings)
        graded = Grader(self._policies.of_model()).grade(vectors[0], vectors[1:])
        compared = tuple(ComparedFace(*pair) for pair in zip(b.faces, graded, strict=True))
        return FaceComparison(a.largest(), _size(a), compared, _size(b))

    def faces(
        self, collection: str, probe: Vector, limit: int, timings: Timings
    ) -> list[FaceMatch]:
        """The stored faces that are nearest to a unit vector, best first, at most `limit`.

        Raises CollectionNotFound, SpaceMismatch.
        """
        with timings.stage("search"), self._database.read() as session:
            gallery, rules = self._gallery(session, collection)
            candidates = self._nearest(session, gallery, probe, limit, rules)
            stored = faces_of(session, gallery, [one.person for one in candidates])
            vectors = _vectors(
                session, gallery, [one for faces in stored.values() for one in faces]
            )
            grader, matches = Grader(rules, gallery.size), list[FaceMatch]()
            for candidate, faces in zip(candidates, stored.values(), strict=True):
                theirs, vectors = vectors[: len(faces)], vectors[len(faces) :]
                graded = grader.grade(probe, theirs, candidate.resemblance)
                matches += [FaceMatch(*pair) for pair in zip(faces, graded, strict=True)]
        return sorted(matches, key=lambda one: -one.graded.margin)[:limit]

    def users(
        self, collection: str, probe: Vector, limit: int, timings: Timings
    ) -> list[UserMatch]:
        """The people with an external id who are nearest to a unit vector, best first.

        Raises CollectionNotFound, SpaceMismatch.
        """
        with timings.stage("search"), self._database.read() as session:
            gallery, rules = self._gallery(session, collection)
            count, users = limit, list[Candidate]()
            while True:
                found = self._nearest(session, gallery, probe, count, rules)
                users = [one for one in found if one.person.external_id is not None]
                if len(users) >= limit or len(found) < count:
                    break
                count *= _WIDENED
            grader = Grader(rules, gallery.size)
            matches = []
            stored = faces_of(session, gallery, [one.person for one in users])
            for one, faces in zip(users, stored.values(), strict=True):
                vectors = with_mean(_vectors(session, gallery, faces))
                best = best_of(grader.grade(probe, vectors, one.resemblance))
                if best is not None:
                    matches.append(UserMatch(one.person, best))
        return sorted(matches, key=lambda one: -one.graded.margin)[:limit]

    def stored_vectors(self, collection: str, template_ids: Sequence[str]) -> list[Vector]:
        """The unit vectors of templates; unknown ids are left out. Raises CollectionNotFound."""
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            found = vectors_by_template_id(session, gallery, template_ids)
        return list(found.values())

    def _gallery(self, session: Session, collection: str) -> tuple[Collection, DecisionRules]:
        gallery = get_collection(session, collection, GALLERY)
        gallery.require_space(self._pipeline.embedder.space)
        return gallery, self._policies.of_gallery(session, gallery)

    def _nearest(
        self,
        session: Session,
        gallery: Collection,
        probe: Vector,
        count: int,
        rules: DecisionRules,
    ) -> list[Candidate]:
        """The `count` nearest people, best first."""
        rule = SearchRule(
            rules.policy, rules.search_limit(DecisionOptions(), gallery.size), gallery
        )
        [found] = self._searcher.search(session, rule, probe[None], count)
        return found[:count]


def _vectors(session: Session, gallery: Collection, faces: Sequence[StoredFace]) -> Matrix:
    ids = [face.template.template_id for face in faces]
    found = vectors_by_template_id(session, gallery, ids)
    if not ids:
        return np.empty((0, gallery.space.dimension), dtype=np.float32)
    return np.stack([found[one] for one in ids])


def _size(analysis: ImageAnalysis) -> tuple[int, int]:
    return analysis.width, analysis.height
