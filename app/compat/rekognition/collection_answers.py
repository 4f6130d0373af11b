"""The answers about collections."""

from pydantic import Field

from app.compat.rekognition.answers import Answer


class StatusAnswer(Answer):
    """The answer of CreateCollection and DeleteCollection."""

    status_code: int = 200
    collection_arn: str | None = None
    face_model_version: str | None = None


class CollectionDescription(Answer):
    """The answer of DescribeCollection; the time is in seconds since 1970."""

    face_count: int
    user_count: int
    face_model_version: str
    collection_arn: str = Field(serialization_alias="CollectionARN")
    creation_timestamp: float


class CollectionList(Answer):
    """A page of collections by name."""

    collection_ids: list[str]
    face_model_versions: list[str]
    next_token: str | None
