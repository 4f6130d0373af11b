"""Requests and answers of zero-shot, as the contract names them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from app.api.schemas.base import CollectionName, Identifier, Request, example
from app.api.schemas.words import Text, Vector
from app.store.projections import StoredProjection
from app.texts.space import Label
from app.zero_shot.classifier import Order
from app.zero_shot.service import Answer

LongText = Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")]
Strength = Annotated[float, Field(ge=0.0, le=1.0)]


class LabelIn(Request):
    """A label and what is said of it; `attributes` hold by so much, 0 to 1."""

    name: Text
    description: Annotated[str, Field(max_length=4_000)] = ""
    keywords: Annotated[list[Text], Field(max_length=100)] = []
    attributes: Annotated[dict[Text, Strength], Field(max_length=200)] = {}


LabelField = Text | LabelIn


def to_label(label: str | LabelIn) -> Label:
    """The service's form of a label."""
    if isinstance(label, str):
        return Label(label)
    return Label(label.name, label.description, tuple(label.keywords), dict(label.attributes))


class ScoreFields(Request):
    """One of `text`, `word`, `vector` or `image` is scored; an `image` needs a `projection`."""

    model_config = example(
        {
            "text": "the striker scored twice in the second half",
            "labels": ["sports", "politics", {"name": "science", "keywords": ["physics", "lab"]}],
        }
    )

    text: LongText | None = None
    word: Text | None = None
    vector: Vector | None = None
    labels: Annotated[list[LabelField], Field(min_length=1, max_length=5_000)]
    multi_label: bool = False
    method: Literal["cosine", "conse", "dap", "eszsl"] | None = None
    reject_below: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    vocabulary: CollectionName | None = None
    projection: CollectionName | None = None
    seen: Annotated[list[LabelField], Field(max_length=1_000)] = []
    seen_penalty: Annotated[float, Field(ge=0.0, le=100.0)] | None = None
    background: Annotated[list[LongText], Field(max_length=500)] = []
    temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    explain: bool = False

    @field_validator("labels", "seen", "background", "vector", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        """A form or a query carries lists as JSON text."""
        return json.loads(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _once(self) -> "ScoreFields":
        names = [to_label(label).name for label in self.labels]
        if len(set(names)) < len(names):
            raise ValueError("every label needs a name of its own")
        return self

    def order(self) -> Order:
        """As the service takes it."""
        return Order(
            tuple(to_label(label) for label in self.labels),
            self.method or ("cosine" if self.projection is None else "eszsl"),
            self.multi_label,
            self.reject_below,
            self.temperature,
            tuple(to_label(label) for label in self.seen),
            self.seen_penalty,
            tuple(self.background),
            self.explain,
        )


class EffectOut(BaseModel):
    """`effect`: evidence that goes when it is left out, in standard deviations."""

    name: str
    effect: float


class ExplanationOut(BaseModel):
    """Of the best label, strongest effects first."""

    label: str
    words: list[EffectOut]
    attributes: list[EffectOut]


class Scored(BaseModel):
    """Best label first. Scores of a single label sum to 1; of several, each is in [0, 1].

    `evidence` is what the scores are made from: standard deviations above what chance gives (for
    `dap`, log odds). `out_of_vocabulary` are words of the text and of the labels without a vector.
    """

    labels: list[str]
    scores: list[float]
    evidence: list[float]
    decision: str | None
    out_of_vocabulary: list[str]
    method: str
    vocabulary: str
    projection: str | None = None
    explanation: ExplanationOut | None = None

    @classmethod
    def of(cls, answer: Answer) -> "Scored":
        found, told = answer.verdict, answer.verdict.explanation
        return cls(
            labels=list(found.labels),
            scores=list(found.scores),
            evidence=list(found.evidence),
            decision=found.decision,
            out_of_vocabulary=list(found.out_of_vocabulary),
            method=answer.method,
            vocabulary=answer.vocabulary,
            projection=answer.projection,
            explanation=None
            if told is None
            else ExplanationOut(
                label=told.label,
                words=[EffectOut(name=e.name, effect=e.effect) for e in told.words],
                attributes=[EffectOut(name=e.name, effect=e.effect) for e in told.attributes],
            ),
        )


class ClassifyParameters(BaseModel):
    """Further parameters of that API are taken and left unused."""

    candidate_labels: Annotated[list[Text], Field(min_length=1, max_length=5_000)]
    multi_label: bool = False

    def order(self) -> Order:
        """As the service takes it; a label that is sent twice counts once."""
        names = dict.fromkeys(self.candidate_labels)
        return Order(tuple(Label(name) for name in names), multi_label=self.multi_label)


class ClassifyRequest(BaseModel):
    model_config = example(
        {
            "inputs": "the striker scored twice in the second half",
            "parameters": {"candidate_labels": ["sports", "politics"]},
        }
    )

    inputs: LongText | Annotated[list[LongText], Field(min_length=1, max_length=64)]
    parameters: ClassifyParameters


class Classified(BaseModel):
    label: str
    score: float


def classified(answer: Answer) -> list[Classified]:
    """Labels with scores, best first."""
    pairs = zip(answer.verdict.labels, answer.verdict.scores, strict=True)
    return [Classified(label=label, score=score) for label, score in pairs]


class ExampleIn(Request):
    """A photo, an enrolled template, a text or a vector, with what holds for it."""

    image: Annotated[str, Field(max_length=20_000_000)] | None = None
    template_id: Identifier | None = None
    text: LongText | None = None
    vector: Vector | None = None
    attributes: Annotated[list[Text], Field(max_length=100)]

    @model_validator(mode="after")
    def _one_of_them(self) -> "ExampleIn":
        given = [self.image, self.template_id, self.text, self.vector]
        if sum(value is not None for value in given) != 1:
            raise ValueError("send one of image, template_id, text and vector")
        return self


class NewProjection(Request):
    """Examples are all of faces (`image`, `template_id`, or `vector` with `source` = faces), or all
    texts or vectors of the vocabulary that `source` names."""

    model_config = example(
        {
            "name": "looks",
            "examples": [
                {"template_id": "3f2a9c", "attributes": ["smiling", "glasses"]},
                {"template_id": "77b01d", "attributes": ["beard"]},
            ],
        }
    )

    name: CollectionName
    source: CollectionName | None = None
    vocabulary: CollectionName | None = None
    collection: CollectionName = "default"
    examples: Annotated[list[ExampleIn], Field(min_length=1, max_length=1_000)]
    gamma: Annotated[float, Field(gt=0.0, le=1e6)] | None = None
    lam: Annotated[float | None, Field(gt=0.0, le=1e6, alias="lambda")] = None

    @model_validator(mode="after")
    def _both(self) -> "NewProjection":
        if (self.gamma is None) != (self.lam is None):
            raise ValueError("send both gamma and lambda, or none of them")
        return self

    def regularisers(self) -> tuple[float, float] | None:
        """What was asked for; None to have them chosen."""
        return None if self.gamma is None or self.lam is None else (self.gamma, self.lam)


class ProjectionOut(BaseModel):
    """`held_out_area` is the mean area under the ROC curve of attributes that were left out in
    turn: 0.5 is chance. `suggested_penalty` is an estimate from the same: send it as
    `seen_penalty` where seen and unseen labels stand side by side."""

    name: str
    source: str
    vocabulary: str
    seen: list[str]
    examples: int
    gamma: float
    lam: float = Field(serialization_alias="lambda")
    held_out_area: float | None
    suggested_penalty: float
    created_at: datetime | None

    @classmethod
    def of(cls, found: StoredProjection) -> "ProjectionOut":
        details = found.details
        return cls(
            name=found.name,
            source=details.source,
            vocabulary=found.vocabulary,
            seen=list(details.seen),
            examples=details.examples,
            gamma=details.gamma,
            lam=details.lam,
            held_out_area=details.area,
            suggested_penalty=details.penalty,
            created_at=found.created_at,
        )


class ProjectionList(BaseModel):
    projections: list[ProjectionOut]


def projections_out(found: Sequence[StoredProjection]) -> ProjectionList:
    """The answer of the listing."""
    return ProjectionList(projections=[ProjectionOut.of(one) for one in found])
