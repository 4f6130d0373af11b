"""Compares one face with several others, without a search."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.errors import MultipleFaces, NoFace
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.policy import Judgement
from app.faces.decisions.rules import DecisionRules
from app.faces.enrollment import DEFAULT_COLLECTION
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.selection import EVERY_FACE, FaceFilter
from app.faces.probes import Probe, ProbeReader, Sample, TemplateSample
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.named_people import get_owner
from app.store.people import Person
from app.store.rejections import rejected_vectors
from app.timings import Timings
from app.vectors import Matrix


@dataclass(frozen=True, slots=True)
class ComparedProbe:
    """A face, or an embedding that was sent, and how it compares with the source."""

    probe: Probe
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Comparison:
    """A source and what it was compared with, in the order of the samples and then of the faces.

    `person` is the one whose template is the source, None for another source.
    """

    source: Probe
    targets: tuple[ComparedProbe, ...]
    person: Person | None


class Comparer:
    """Verifies a source 1:1 against each of several targets."""

    def __init__(
        self, pipeline: FacePipeline, policies: DecisionPolicies, database: Database
    ) -> None:
        self._probes = ProbeReader(pipeline, database)
        self._policies, self._database = policies, database

    def compare(
        self,
        source: Sample,
        targets: Sequence[Sample],
        timings: Timings,
        collection: str | None = None,
        accepted: FaceFilter = EVERY_FACE,
    ) -> Comparison:
        """Compares the source with every face of the targets that `accepted` accepts.

        `collection` is the gallery of a source that is a template; its rules decide then. A source
        that is an image must show one accepted face. The faces that were rejected for the person of
        a template count as in the other comparisons with a person (ADR 20). Raises like
        `ProbeReader.read_each`, NoFace, MultipleFaces, and PhotoNotFound for an unknown template.
        """
        context = self._context(source, collection)
        first, *rest = self._probes.read_each(
            [source, *targets], collection or DEFAULT_COLLECTION, timings, accepted
        )
        if len(first) > 1:
            raise MultipleFaces(len(first), "the source image")
        others = [probe for found in rest for probe in found]
        for name, found in (("source", first), ("target", others)):
            if not found:
                raise NoFace(f"the {name} image shows no face; send an image with a visible face")
        return Comparison(first[0], _judge(first[0], others, context), context.person)

    def _context(self, source: Sample, collection: str | None) -> "_Context":
        if collection is None:
            return _Context(self._policies.of_model())
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            rules = self._policies.of_gallery(session, gallery)
            if not isinstance(source, TemplateSample):
                return _Context(rules)
            person = get_owner(session, gallery, source.template_id)
            rejected = rejected_vectors(session, gallery, [person.row_id]).get(person.row_id)
            return _Context(rules, person, rejected)


@dataclass(frozen=True, slots=True)
class _Context:
    """The rules that decide; the person of a source that is a template, and the faces that were
    rejected for that person, shape (n, dimension)."""

    rules: DecisionRules
    person: Person | None = None
    rejected: Matrix | None = None


def _judge(source: Probe, targets: Sequence[Probe], context: _Context) -> tuple[ComparedProbe, ...]:
    policy, limit = context.rules.policy, context.rules.verify_limit(DecisionOptions())
    if context.rejected is not None:
        template = source.embedding[None]
        return tuple(
            ComparedProbe(
                target, policy.judge_best(target.embedding, template, limit, context.rejected)
            )
            for target in targets
        )
    vectors = np.stack([target.embedding for target in targets])
    similarities = (vectors @ source.embedding).tolist()
    own = float(policy.corrections(source.embedding[None])[0])
    corrections = policy.corrections(vectors).tolist()
    return tuple(
        ComparedProbe(target, policy.judge(similarity, own + correction, limit))
        for target, similarity, correction in zip(targets, similarities, corrections, strict=True)
    )
