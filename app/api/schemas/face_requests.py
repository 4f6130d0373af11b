"""Requests about faces: embedding, verification and identification."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from app.api.schemas.base import (
    FIXED_THRESHOLD,
    CollectionName,
    FixedThreshold,
    GalleryField,
    Identifier,
    Rate,
    Request,
    parse_json_text,
)
from app.faces.decisions.options import DecisionOptions
from app.faces.enrollment import DEFAULT_COLLECTION
from app.faces.pipeline.selection import FaceChoice, FaceSelection
from app.faces.probes import EmbeddingSample, Sample, TemplateSample
from app.faces.recognition import IdentifyOrder

DEFAULT_RATE = "Target error rate; default: that of the collection, else that of the settings."
EMBEDDING, TEMPLATE_ID = "embedding", "template_id"

_ID = "9c1185a5c5e9fc5461280897"
_SELECTION = "`all` faces, the `subject` (the most prominent one), or the `largest`."

FaceEmbedding = Annotated[
    Annotated[list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=1, max_length=4096)]
    | None,
    BeforeValidator(parse_json_text),
    Field(
        description="An embedding of the active model in place of the image, as returned by "
        "/embed; it is scaled to unit length. In forms and queries: a JSON array.",
        examples=[[0.031, -0.118, 0.072]],
    ),
]
TemplateId = Annotated[
    Identifier | None,
    Field(
        description="A template of the collection in place of the image.",
        examples=["5f0c2e6f9b1d4c4397f0a1b2"],
    ),
]


Rotation = Annotated[
    Literal["no", "auto"],
    Field(
        description="`auto`: an image without a face is examined again, turned by 90, 180 and "
        "270 degrees.",
        examples=["auto"],
    ),
]


class NoFields(Request):
    """No fields except the image."""


class EmbedFields(Request):
    """Fields of `POST /embed`."""

    faces: Annotated[FaceSelection, Field(description=_SELECTION, examples=["all"])] = "largest"


class SampleFields(Request):
    """Base class of requests in which an embedding or a template may stand in for an image."""

    def samples(self) -> dict[str, Sample]:
        """The embeddings and templates that were sent, by field name."""
        found: dict[str, Sample] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None and name.startswith(EMBEDDING):
                found[name] = EmbeddingSample(tuple(value))
            elif value is not None and name.startswith(TEMPLATE_ID):
                found[name] = TemplateSample(value)
        return found


class VerifyFields(SampleFields):
    """Fields of `POST /verify`.

    With `person_id`, the sample is `image`, `embedding` or `template_id`. Without it, the two
    samples are `image_a`, `embedding_a` or `template_id_a`, and the same with `_b`.
    """

    person_id: Annotated[
        Identifier | None,
        Field(description="The person that is compared with the sample.", examples=[_ID]),
    ] = None
    collection: Annotated[
        CollectionName | None,
        Field(
            description="The gallery of the person and the templates; allowed only with them.",
            examples=["default"],
        ),
    ] = None
    embedding: FaceEmbedding = None
    embedding_a: FaceEmbedding = None
    embedding_b: FaceEmbedding = None
    template_id: TemplateId = None
    template_id_a: TemplateId = None
    template_id_b: TemplateId = None
    face: Annotated[
        FaceChoice,
        Field(
            description="The face of each image that is compared. `subject`: the most prominent "
            "one; `largest`; `only`: `multiple_faces` if there are several.",
            examples=["subject"],
        ),
    ] = "subject"
    rotate: Rotation = "no"
    target_fmr: Annotated[Rate | None, Field(description=DEFAULT_RATE, examples=[0.01])] = None
    threshold: Annotated[
        FixedThreshold | None, Field(description=FIXED_THRESHOLD, examples=[0.45])
    ] = None

    def options(self) -> DecisionOptions:
        """The decision options that were sent."""
        return DecisionOptions(target_fmr=self.target_fmr, threshold=self.threshold)

    def gallery_of_templates(self) -> str | None:
        """The gallery of the templates that are compared; None if there is no template."""
        if self.template_id_a is None and self.template_id_b is None:
            return None
        return self.collection or DEFAULT_COLLECTION

    @model_validator(mode="after")
    def _reject_ignored_fields(self) -> "VerifyFields":
        used = self.person_id is not None or self.gallery_of_templates() is not None
        if self.collection is not None and not used:
            raise ValueError("collection is allowed only with person_id or a template; omit it")
        return self


class IdentifyFields(SampleFields):
    """Fields of `POST /identify`. One of `image`, `embedding` and `template_id` is required."""

    collection: GalleryField = DEFAULT_COLLECTION
    embedding: FaceEmbedding = None
    template_id: TemplateId = None
    top_k: Annotated[
        int, Field(ge=1, le=100, description="The number of nearest people.", examples=[5])
    ] = 5
    target_fpir: Annotated[Rate | None, Field(description=DEFAULT_RATE, examples=[0.01])] = None
    threshold: Annotated[
        FixedThreshold | None, Field(description=FIXED_THRESHOLD, examples=[0.45])
    ] = None
    faces: Annotated[FaceSelection, Field(description=_SELECTION, examples=["all"])] = "all"
    rotate: Rotation = "no"

    def order(self) -> IdentifyOrder:
        """The identification that the fields describe."""
        return IdentifyOrder(
            collection=self.collection,
            top_k=self.top_k,
            options=DecisionOptions(target_fpir=self.target_fpir, threshold=self.threshold),
            faces=self.faces,
            rotate=self.rotate == "auto",
        )
