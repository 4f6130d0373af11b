"""The access keys of Rekognition's API, as the settings state them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

AccessRole = Literal["read", "enroll", "admin"]
"""What a caller may do; each role includes the ones before it."""

AccessKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{3,64}$")]


class RekognitionKey(BaseModel):
    """The secret of an access key of Rekognition's API, and what its holder may do.

    `collections` are the galleries that the key is restricted to, None for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: Annotated[SecretStr, Field(min_length=16)]
    role: AccessRole = "read"
    collections: frozenset[str] | None = None
