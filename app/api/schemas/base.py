"""What every request has in common, and the names that it may use."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS)]
Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS)]
CollectionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Rate = Annotated[float, Field(gt=0.0, le=0.5)]


class Request(BaseModel):
    """Unknown fields are an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def example(body: dict[str, Any]) -> ConfigDict:
    """The configuration that shows `body` as the example of a request in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"example": body})
