"""Request and response models for zero-shot scoring."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from app.api.schemas.base import (
    CollectionName,
    Request,
    VocabularyField,
    example,
    parse_json_text,
)
from app.api.schemas.face_requests import Rotation
from app.api.schemas.words import Text, Vector
from app.errors import InvalidRequest
from app.texts.space import Label
from app.zero_shot.classifier import Classification, ScoringTask
from app.zero_shot.explanation import Explanation
from app.zero_shot.service import ScoreInput, ScoreResult

LongText = Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")]
Strength = Annotated[float, Field(ge=0.0, le=1.0)]


class LabelIn(Request):
    """A label with optional semantic information; `attributes` maps names to strengths, 0 to 1."""

    name: Text
    description: Annotated[str, Field(max_length=4_000)] = ""
    keywords: Annotated[list[Text], Field(max_length=100)] = []
    attributes: Annotated[dict[Text, Strength], Field(max_length=200)] = {}


LabelField = Text | LabelIn


def to_label(label: str | LabelIn) -> Label:
    """The label as the service takes it."""
    if isinstance(label, str):
        return Label(label)
    return Label(label.name, label.description, tuple(label.keywords), dict(label.attributes))


class ScoreFields(Request):
    """Exactly one of `text`, `word`, `vector` and `image` is required; `image` requires a
    `projection` from faces."""

    model_config = example(
        {
            "text": "the striker scored twice in the second half",
            "labels": ["sports", "politics", {"name": "science", "keywords": ["physics", "lab"]}],
        }
    )

    text: Annotated[
        LongText | None, Field(description="The text to score.", examples=["it will rain all day"])
    ] = None
    word: Annotated[
        Text | None, Field(description="A word of the vocabulary.", examples=["rain"])
    ] = None
    vector: Annotated[
        Vector | None,
        Field(
            description="A vector of the vocabulary's space, or of the projection's source.",
            examples=[[0.1, -0.2, 0.3]],
        ),
    ] = None
    labels: Annotated[
        list[LabelField],
        Field(
            min_length=1,
            max_length=5_000,
            description="Names, or objects with name, description, keywords and attributes.",
            examples=[["weather", "music"]],
        ),
    ]
    multi_label: Annotated[
        bool, Field(description="Score each label by itself, 0 to 1.", examples=[False])
    ] = False
    method: Annotated[
        Literal["cosine", "conse", "dap", "eszsl"] | None,
        Field(description="Default: `cosine`, or `eszsl` with a projection.", examples=["cosine"]),
    ] = None
    reject_below: Annotated[
        Annotated[float, Field(ge=0.0, le=1.0)] | None,
        Field(description="The lowest score of a decision.", examples=[0.5]),
    ] = None
    vocabulary: VocabularyField = None
    projection: Annotated[
        CollectionName | None,
        Field(description="A learned map to the vocabulary's space.", examples=["animals"]),
    ] = None
    seen: Annotated[
        list[LabelField],
        Field(
            max_length=1_000,
            description="Labels that the projection was learned from.",
            examples=[["dog"]],
        ),
    ] = []
    seen_penalty: Annotated[
        Annotated[float, Field(ge=0.0, le=100.0)] | None,
        Field(description="What seen labels lose, in standard deviations.", examples=[1.0]),
    ] = None
    background: Annotated[
        list[LongText],
        Field(
            max_length=500,
            description="Texts that no label fits; scores are relative to them.",
            examples=[["the", "of"]],
        ),
    ] = []
    temperature: Annotated[
        float,
        Field(
            gt=0.0, le=100.0, description="Higher values make scores more equal.", examples=[1.0]
        ),
    ] = 1.0
    explain: Annotated[
        bool, Field(description="Return what the best label owes to each word.", examples=[False])
    ] = False
    rotate: Rotation = "no"

    @field_validator("labels", "seen", "background", "vector", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        """Forms and queries have lists as JSON text."""
        return parse_json_text(value)

    @model_validator(mode="after")
    def _require_distinct_names(self) -> "ScoreFields":
        names = [label if isinstance(label, str) else label.name for label in self.labels]
        duplicates = [name for name, count in Counter(names).items() if count > 1]
        if duplicates:
            raise ValueError(f"labels has {duplicates[0][:80]!r} twice; names must be distinct")
        return self

    def input(self, image: bytes | None) -> ScoreInput:
        """The scored input as the service takes it. Raises InvalidRequest unless exactly one of
        the inputs was sent."""
        vector = None if self.vector is None else tuple(self.vector)
        inputs = {"text": self.text, "word": self.word, "vector": vector, "image": image}
        sent = [name for name, value in inputs.items() if value is not None]
        if len(sent) != 1:
            raise InvalidRequest(
                "text",
                "exactly one of text, word, vector and image is required; sent: "
                + (", ".join(sent) or "none"),
            )
        return ScoreInput(self.text, self.word, vector, image, self.rotate == "auto")

    def task(self) -> ScoringTask:
        """The labels and options as the service takes them."""
        return ScoringTask(
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
    """`effect` is the decrease of the evidence without this word or attribute, in standard
    deviations."""

    name: str
    effect: float


class ExplanationOut(BaseModel):
    """The effects on the evidence of the best label, strongest first."""

    label: str
    words: list[EffectOut]
    attributes: list[EffectOut]

    @classmethod
    def of(cls, found: Explanation) -> "ExplanationOut":
        return cls(
            label=found.label,
            words=[EffectOut(name=e.name, effect=e.effect) for e in found.words],
            attributes=[EffectOut(name=e.name, effect=e.effect) for e in found.attributes],
        )


class Scored(BaseModel):
    """Labels best first. Single-label scores sum to 1; multi-label scores are each in [0, 1].

    The scores are computed from `evidence`: standard deviations above the fit of background texts
    (for `dap`, log odds). `out_of_vocabulary` lists the words of the text and the labels that have
    no vector.
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
    def of(cls, result: ScoreResult) -> "Scored":
        found, explanation = result.classification, result.explanation
        return cls(
            labels=list(found.labels),
            scores=list(found.scores),
            evidence=list(found.evidence),
            decision=found.decision,
            out_of_vocabulary=list(found.out_of_vocabulary),
            method=result.method,
            vocabulary=result.vocabulary,
            projection=result.projection,
            explanation=None if explanation is None else ExplanationOut.of(explanation),
        )


class ClassifyParameters(BaseModel):
    """Other parameters of Hugging Face's API are accepted and ignored."""

    candidate_labels: Annotated[list[Text], Field(min_length=1, max_length=5_000)]
    multi_label: bool = False

    def task(self) -> ScoringTask:
        """The labels as the service takes them, without duplicates."""
        names = dict.fromkeys(self.candidate_labels)
        return ScoringTask(tuple(Label(name) for name in names), multi_label=self.multi_label)


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


def classified(found: Classification) -> list[Classified]:
    """The labels with their scores, best first."""
    pairs = zip(found.labels, found.scores, strict=True)
    return [Classified(label=label, score=score) for label, score in pairs]
