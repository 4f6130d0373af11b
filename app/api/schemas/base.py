"""The base class of requests, and the types of fields that several requests share."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.validation import NO_CONTROL_CHARACTERS, RESOURCE_NAME, require_storable


def parse_json_text(value: object) -> object:
    """Parses a string as JSON and returns any other value unchanged.

    Form fields and query parameters carry arrays and objects as JSON text. Raises ValueError.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("the text is not valid JSON; send an array or an object as JSON") from None


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROL_CHARACTERS)]
Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROL_CHARACTERS)]
CollectionName = Annotated[str, Field(pattern=RESOURCE_NAME)]
GalleryField = Annotated[CollectionName, Field(description="The gallery.", examples=["default"])]
VocabularyField = Annotated[
    CollectionName | None,
    Field(
        description="The vocabulary; default: the default vocabulary.", examples=["glove-6b-50d"]
    ),
]
Rate = Annotated[float, Field(gt=0.0, le=0.5)]
FIXED_THRESHOLD = "Cosine that every pair must reach; replaces target rate and normalisation."
FixedThreshold = Annotated[
    float,
    Field(
        ge=-1,
        le=1,
        description=FIXED_THRESHOLD,
    ),
]
Metadata = Annotated[dict[str, Any], AfterValidator(require_storable)]
MetadataField = Annotated[Metadata, BeforeValidator(parse_json_text)]
"""Metadata in a form field or query parameter, where it is JSON text."""


class Request(BaseModel):
    """Base class of requests. Unknown fields and non-finite numbers are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def example(body: dict[str, Any]) -> ConfigDict:
    """The model configuration that shows `body` as the example in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"example": body})
