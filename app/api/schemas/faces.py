"""Responses about faces: detection, embedding, verification and identification."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from app.api.schemas.detections import Face
from app.api.schemas.persons import Person
from app.faces import people_search, recognition
from app.faces.pipeline import types
from app.faces.pipeline.selection import ImageAnalysis
from app.vectors import similarity_to_distance


def _face(face: types.Face | None) -> Face | None:
    return None if face is None else Face.of(face)


class Detected(BaseModel):
    """Faces, largest first, and the size of the upright image in pixels."""

    faces: list[Face]
    width: int
    height: int

    @classmethod
    def of(cls, analysis: ImageAnalysis) -> "Detected":
        faces = [Face.of(face) for face in analysis.faces]
        return cls(faces=faces, width=analysis.width, height=analysis.height)


class EmbeddedFace(BaseModel):
    """A face and its embedding of unit length."""

    face: Face
    embedding: list[float]


class Embedded(BaseModel):
    """The embeddings of an image, largest face first."""

    faces: list[EmbeddedFace]
    model: str

    @classmethod
    def of(cls, found: Sequence[recognition.EmbeddedFace], model: str) -> "Embedded":
        faces = [
            EmbeddedFace(face=Face.of(one.face), embedding=one.embedding.tolist()) for one in found
        ]
        return cls(faces=faces, model=model)


class FacePair(BaseModel):
    """The compared faces; `b` is null for a comparison with a person.

    A side for which an embedding or a template was sent is null.
    """

    a: Face | None
    b: Face | None = None


class Verified(BaseModel):
    """A 1:1 comparison; `verified` is `similarity >= threshold`.

    The threshold belongs to this pair of faces. `target_fmr` is the rate in force, null with a
    fixed threshold.
    """

    verified: bool
    decision: Literal["match", "no_match"]
    similarity: float
    distance: float
    threshold: float
    target_fmr: float | None
    estimated_fmr: float
    faces: FacePair
    person: Person | None = None
    model: str

    @classmethod
    def of(cls, result: recognition.Verification, model: str) -> "Verified":
        pair = FacePair(a=_face(result.face_a), b=_face(result.face_b))
        judgement = result.judgement
        return cls(
            verified=judgement.matches,
            decision="match" if judgement.matches else "no_match",
            similarity=judgement.similarity,
            distance=similarity_to_distance(judgement.similarity),
            threshold=judgement.threshold,
            target_fmr=result.target_fmr,
            estimated_fmr=judgement.estimated_fmr,
            faces=pair,
            person=Person.of(result.person) if result.person else None,
            model=model,
        )


class Candidate(BaseModel):
    """A person of the gallery with the best template; a match is `similarity >= threshold`."""

    person_id: str
    name: str
    similarity: float
    distance: float
    threshold: float
    estimated_fmr: float
    template_id: str

    @classmethod
    def of(cls, found: people_search.Candidate) -> "Candidate":
        judgement = found.judgement
        return cls(
            person_id=found.person.person_id,
            name=found.person.name,
            similarity=judgement.similarity,
            distance=similarity_to_distance(judgement.similarity),
            threshold=judgement.threshold,
            estimated_fmr=judgement.estimated_fmr,
            template_id=found.template_id,
        )


class IdentifiedFace(BaseModel):
    """A face with the nearest people, best first; `person` is null unless it is a match.

    `face` is null if an embedding or a template was sent. `visitor_id` is the id of an unknown face
    in a collection with the option `visitors`; null if it fails a quality check.
    """

    face: Face | None
    decision: Literal["match", "unknown", "ambiguous"]
    person: Person | None
    candidates: list[Candidate]
    visitor_id: str | None

    @classmethod
    def of(cls, found: recognition.IdentifiedFace) -> "IdentifiedFace":
        return cls(
            face=_face(found.face),
            decision=found.decision,
            person=Person.of(found.person) if found.person else None,
            candidates=[Candidate.of(entry) for entry in found.candidates],
            visitor_id=found.visitor_id,
        )


class Identified(BaseModel):
    """A 1:N search for every face of the image.

    `threshold` is what an average pair of these faces needs; that of each candidate decides.
    `target_fpir` is the rate in force, null with a fixed threshold. A face is `ambiguous` if two
    people match whose `similarity - threshold` differs by less than `ambiguity_margin`.
    """

    faces: list[IdentifiedFace]
    gallery_size: int
    threshold: float
    target_fpir: float | None
    ambiguity_margin: float
    model: str

    @classmethod
    def of(cls, result: recognition.Identification, model: str) -> "Identified":
        return cls(
            faces=[IdentifiedFace.of(face) for face in result.faces],
            gallery_size=result.gallery_size,
            threshold=result.threshold,
            target_fpir=result.target_fpir,
            ambiguity_margin=result.ambiguity_margin,
            model=model,
        )
