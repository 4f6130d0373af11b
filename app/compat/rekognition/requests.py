"""What Rekognition's clients send: JSON documents with names in Pascal case."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from app.api.uploads import decode_base64
from app.compat.rekognition.failures import RekognitionError, invalid
from app.faces.face_index import QualityBar

CollectionId = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.\-]+$")]
ExternalImageId = Annotated[
    str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.\-:]+$")
]
UserId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_.\-:]+$")]
FaceId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
Percent = Annotated[float, Field(ge=0.0, le=100.0)]
PageSize = Annotated[int, Field(ge=0, le=4096)]
Token = Annotated[str, Field(max_length=255)]

_QUALITY: dict[str, QualityBar] = {
    "NONE": "none",
    "AUTO": "checks",
    "LOW": "checks",
    "MEDIUM": "medium",
    "HIGH": "high",
}
QualityFilter = Literal["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]

_LARGEST_PAGE = 1_000


class Fields(BaseModel):
    """Base class of requests. Fields that are unknown are ignored."""

    model_config = ConfigDict(alias_generator=to_pascal, allow_inf_nan=False)


class S3Object(Fields):
    """The place of an image in S3, which this service does not read."""


class Image(Fields):
    """An image as base64."""

    data: Annotated[str | None, Field(alias="Bytes")] = None
    s3_object: S3Object | None = None

    def content(self) -> bytes:
        """The image file. Raises RekognitionError for an image in S3, InvalidImage."""
        if self.data is not None:
            return decode_base64(self.data, "Image.Bytes")
        if self.s3_object is not None:
            raise RekognitionError(
                "InvalidS3ObjectException",
                "this service does not read from S3; send the image as Bytes",
            )
        raise invalid("the image is missing; send it as Bytes")


class CollectionFields(Fields):
    """A request about a collection."""

    collection_id: CollectionId


class PageFields(Fields):
    """A request for a page of a list."""

    max_results: PageSize | None = None
    next_token: Token | None = None

    def limit(self) -> int:
        """The number of items of a page; pages are not larger than 1000."""
        return min(self.max_results or _LARGEST_PAGE, _LARGEST_PAGE)


class IndexFaces(CollectionFields):
    """The body of IndexFaces; attributes beyond the default ones do not exist."""

    image: Image
    external_image_id: ExternalImageId | None = None
    max_faces: Annotated[int, Field(ge=1)] | None = None
    quality_filter: QualityFilter = "AUTO"

    def quality(self) -> QualityBar:
        """The bar below which a face is not stored."""
        return _QUALITY[self.quality_filter]


class ListFaces(CollectionFields, PageFields):
    """The body of ListFaces."""

    user_id: UserId | None = None
    face_ids: Annotated[list[FaceId], Field(min_length=1, max_length=4096)] | None = None


class DeleteFaces(CollectionFields):
    """The body of DeleteFaces."""

    face_ids: Annotated[list[FaceId], Field(min_length=1, max_length=4096)]


class SearchOptions(CollectionFields):
    """What both searches for faces have in common."""

    max_faces: Annotated[int, Field(ge=1, le=4096)] = 80
    face_match_threshold: Percent = 80.0


class SearchFaces(SearchOptions):
    """The body of SearchFaces."""

    face_id: FaceId


class SearchFacesByImage(SearchOptions):
    """The body of SearchFacesByImage."""

    image: Image


class CompareFaces(Fields):
    """The body of CompareFaces."""

    source_image: Image
    target_image: Image
    similarity_threshold: Percent = 80.0


class DetectFaces(Fields):
    """The body of DetectFaces; attributes beyond the default ones do not exist."""

    image: Image


class UserFields(CollectionFields):
    """A request about a user. A `ClientRequestToken` is not needed: repeating such a request does
    no harm."""

    user_id: UserId


class ListUsers(CollectionFields):
    """The body of ListUsers."""

    max_results: Annotated[int, Field(ge=1, le=500)] = 500
    next_token: Token | None = None


class DisassociateFaces(UserFields):
    """The body of DisassociateFaces."""

    face_ids: Annotated[list[FaceId], Field(min_length=1, max_length=100)]


class AssociateFaces(DisassociateFaces):
    """The body of AssociateFaces.

    Rekognition's default is 75. Here that is below the threshold of a match, so it is 80.
    """

    user_match_threshold: Percent = 80.0


class UserSearchOptions(CollectionFields):
    """What both searches for users have in common."""

    max_users: Annotated[int, Field(ge=1, le=500)] = 80
    user_match_threshold: Percent = 80.0


class SearchUsers(UserSearchOptions):
    """The body of SearchUsers: exactly one of the two ids."""

    user_id: UserId | None = None
    face_id: FaceId | None = None


class SearchUsersByImage(UserSearchOptions):
    """The body of SearchUsersByImage."""

    image: Image
