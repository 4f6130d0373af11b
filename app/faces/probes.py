"""Probes: what is compared or searched for, from a photo, an embedding or a stored template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from app.errors import InvalidRequest, MultipleFaces, NoFace
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.selection import (
    EVERY_FACE,
    FaceChoice,
    FaceFilter,
    FaceSelection,
    ImageAnalysis,
)
from app.faces.pipeline.types import Face
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.templates import vectors_by_template_id
from app.timings import Timings
from app.vectors import EmbeddingSpace, Vector, l2_normalize

_SMALLEST_NORM = 1e-6


@dataclass(frozen=True, slots=True)
class EmbeddingSample:
    """An embedding of the active model that the client has, of any length but zero."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TemplateSample:
    """A template that is stored in the gallery of the comparison."""

    template_id: str


Sample: TypeAlias = bytes | EmbeddingSample | TemplateSample
"""An image file, or what a client sends in place of one."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A unit vector, shape (dimension,), and the face that it was computed from.

    `face` is None unless the sample was an image.
    """

    face: Face | None
    embedding: Vector


class ProbeReader:
    """Turns samples into probes in the embedding space of the pipeline."""

    def __init__(self, pipeline: FacePipeline, database: Database) -> None:
        self._pipeline, self._database = pipeline, database

    def read(
        self,
        samples: Mapping[str, Sample],
        which: FaceChoice,
        collection: str,
        timings: Timings,
        rotate: bool = False,
    ) -> list[Probe]:
        """One probe per sample, in order; `which` chooses the face of an image.

        The keys are the suffixes of the request's fields: `_a` stands for `image_a`, `embedding_a`
        or `template_id_a`, whichever was sent. Templates are those of the gallery `collection`.
        Raises the image errors, NoFace, MultipleFaces, CollectionNotFound, SpaceMismatch, and
        InvalidRequest for an invalid embedding or an unknown template.
        """
        sent = {
            suffix: self._vector(sample, suffix, collection)
            for suffix, sample in samples.items()
            if not isinstance(sample, bytes)
        }
        faces = {
            suffix: _choose(
                self._pipeline.analyze(sample, timings, rotate), which, f"image{suffix}"
            )
            for suffix, sample in samples.items()
            if isinstance(sample, bytes)
        }
        embedded = self._pipeline.embed(list(faces.values()), timings)
        vectors = {**sent, **dict(zip(faces, embedded, strict=True))}
        return [Probe(faces.get(suffix), vectors[suffix]) for suffix in samples]

    def read_all(
        self,
        sample: Sample,
        which: FaceSelection,
        rotate: bool,
        collection: str,
        timings: Timings,
        accepted: FaceFilter = EVERY_FACE,
    ) -> list[Probe]:
        """The probes of the chosen faces of an image, largest first, or the one of another sample.

        Faces of an image are chosen among those that `accepted` accepts. Raises like `read`, except
        NoFace: an image without a face has no probes.
        """
        if not isinstance(sample, bytes):
            return [Probe(None, self._vector(sample, "", collection))]
        analysis = self._pipeline.analyze(sample, timings, rotate).filtered(accepted)
        faces = analysis.select(which)
        embedded = self._pipeline.embed(faces, timings)
        return [Probe(face, row) for face, row in zip(faces, embedded, strict=True)]

    def read_each(
        self, samples: Sequence[Sample], collection: str, timings: Timings, accepted: FaceFilter
    ) -> list[list[Probe]]:
        """The probes of each sample, like `read_all` with all faces; they are embedded together."""
        faces = [
            self._pipeline.analyze(one, timings).filtered(accepted).faces
            if isinstance(one, bytes)
            else ()
            for one in samples
        ]
        rows = iter(self._pipeline.embed([face for found in faces for face in found], timings))
        return [
            [Probe(face, next(rows)) for face in found]
            if isinstance(sample, bytes)
            else [Probe(None, self._vector(sample, "", collection))]
            for sample, found in zip(samples, faces, strict=True)
        ]

    def _vector(
        self, sample: EmbeddingSample | TemplateSample, suffix: str, collection: str
    ) -> Vector:
        space = self._pipeline.embedder.space
        if isinstance(sample, EmbeddingSample):
            return _unit_vector(sample.values, space, f"embedding{suffix}")
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY).require_space(space)
            found = vectors_by_template_id(session, gallery, [sample.template_id])
        if sample.template_id not in found:
            raise InvalidRequest(
                f"template_id{suffix}",
                f"no template of the collection {collection!r} has this id; send one that "
                "GET /persons/{person_id}/photos lists, and its collection",
            )
        return found[sample.template_id]


def _unit_vector(values: Sequence[float], space: EmbeddingSpace, field: str) -> Vector:
    """The values at unit length. Raises InvalidRequest for another dimension, or zeros."""
    if len(values) != space.dimension:
        count = f"{len(values)} number{'' if len(values) == 1 else 's'}"
        raise InvalidRequest(
            field,
            f"the embedding has {count}, those of {space.name} have {space.dimension}; "
            "send one that POST /embed returned for this model",
        )
    vector = np.asarray(values, dtype=np.float64)
    if not np.linalg.norm(vector) >= _SMALLEST_NORM:
        raise InvalidRequest(field, "the embedding is zero; send one that POST /embed returned")
    return l2_normalize(vector)


def _choose(analysis: ImageAnalysis, which: FaceChoice, field: str) -> Face:
    try:
        return analysis.choose(which)
    except NoFace as error:
        raise NoFace(f"{field} shows no face; send an image with a visible face") from error
    except MultipleFaces as error:
        raise MultipleFaces(error.count, field) from error
