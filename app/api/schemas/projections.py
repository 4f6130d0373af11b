"""Request and response models for projections."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from app.api.schemas.base import CollectionName, Identifier, Request, example
from app.api.schemas.words import Text, Vector
from app.api.schemas.zero_shot import LongText
from app.api.uploads import decode_base64
from app.store.projections import StoredProjection
from app.zero_shot.projections import NewProjection as ProjectionRequest
from app.zero_shot.service import FACES, ExampleInput


class ExampleIn(Request):
    """An example with its attributes; exactly one of `image`, `template_id`, `text` and `vector` is
    required."""

    image: str | None = None
    template_id: Identifier | None = None
    text: LongText | None = None
    vector: Vector | None = None
    attributes: Annotated[list[Text], Field(max_length=100)]

    @model_validator(mode="after")
    def _require_one(self) -> "ExampleIn":
        names = ("image", "template_id", "text", "vector")
        sent = [name for name in names if getattr(self, name) is not None]
        if len(sent) != 1:
            raise ValueError(
                "exactly one of image, template_id, text and vector is required; sent: "
                + (", ".join(sent) or "none")
            )
        return self

    def example(self, number: int) -> ExampleInput:
        """The example as the service takes it; `number` is named in errors. Raises InvalidImage."""
        field = f"examples.{number}.image"
        image = None if self.image is None else decode_base64(self.image, field)
        vector = None if self.vector is None else tuple(self.vector)
        return ExampleInput(tuple(self.attributes), self.text, vector, image, self.template_id)


class NewProjection(Request):
    """A projection to be fitted from examples.

    With the default `source`, `faces`, the examples are images, template ids or vectors of faces.
    Otherwise `source` names a vocabulary or the sentence encoder, and the examples are texts or
    vectors.
    """

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
    def _require_both(self) -> "NewProjection":
        if (self.gamma is None) != (self.lam is None):
            sent = "lambda" if self.gamma is None else "gamma"
            raise ValueError(f"only {sent} was sent; gamma and lambda are required together")
        return self

    def projection(self, default_vocabulary: str) -> ProjectionRequest:
        """The projection as the service takes it."""
        chosen = None if self.gamma is None or self.lam is None else (self.gamma, self.lam)
        vocabulary = self.vocabulary or default_vocabulary
        return ProjectionRequest(self.name, self.source or FACES, vocabulary, chosen)


class ProjectionOut(BaseModel):
    """A stored projection.

    `held_out_area` is the mean area under the ROC curve of attributes that were held out in turn;
    0.5 is the area of random scores. `suggested_penalty` is estimated on the same attributes: send
    it as `seen_penalty` when seen and unseen labels are scored together.
    """

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

    @classmethod
    def of(cls, found: Sequence[StoredProjection]) -> "ProjectionList":
        return cls(projections=[ProjectionOut.of(projection) for projection in found])
