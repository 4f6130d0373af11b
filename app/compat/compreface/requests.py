"""What CompreFace's clients send: options in the query, images and embeddings in the body."""

from typing import Annotated, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.api.json_bodies import read_json
from app.api.schemas.base import Name
from app.errors import InvalidRequest
from app.faces.pipeline.selection import FaceFilter
from app.faces.probes import EmbeddingSample

T = TypeVar("T")

_LARGEST_COUNT = 2**31 - 1
_LARGEST_PAGE = 2_000
_MOST_PREDICTIONS = 100

Count = Annotated[int, Field(ge=0, le=_LARGEST_COUNT)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Embedding = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=1, max_length=4096)
]


class Fields(BaseModel):
    """Base class of requests. Fields that are unknown are ignored, as CompreFace does."""

    model_config = ConfigDict(allow_inf_nan=False)


class DetectionFields(Fields):
    """`det_prob_threshold` is the lowest detection score of a face."""

    det_prob_threshold: Probability = 0.0

    def accepted(self) -> FaceFilter:
        """The faces that are accepted."""
        return FaceFilter(self.det_prob_threshold)


class ExampleFields(DetectionFields):
    """The query of `POST faces`."""

    subject: Name


class ImageFields(DetectionFields):
    """The query of a request about the faces of images.

    `limit` is the number of faces that are used, largest first; 0: all. `face_plugins` are names
    separated by commas. `status` adds durations and the names of the models.
    """

    limit: Count = 0
    face_plugins: Annotated[str, Field(max_length=1_000)] = ""
    status: bool = False

    def accepted(self) -> FaceFilter:
        """The faces that are accepted."""
        return FaceFilter(self.det_prob_threshold, self.limit or None)

    def has_plugin(self, name: str) -> bool:
        """Whether the plugin was requested."""
        return name in [plugin.strip() for plugin in self.face_plugins.split(",")]


class PredictionFields(Fields):
    """`prediction_count` is the number of subjects per face, nearest first."""

    prediction_count: Annotated[int, Field(ge=1, le=_LARGEST_COUNT)] = 1

    def top_k(self) -> int:
        """The number of nearest people to search for, at most 100."""
        return min(self.prediction_count, _MOST_PREDICTIONS)


class RecognizeFields(ImageFields, PredictionFields):
    """The query of `POST recognize`."""


class PageFields(Fields):
    """The query of `GET faces`: `size` is reduced to 2000, as CompreFace does."""

    page: Count = 0
    size: Annotated[int, Field(ge=1, le=_LARGEST_COUNT)] = 20
    subject: str | None = None

    def limit(self) -> int:
        """The number of faces of a page."""
        return min(self.size, _LARGEST_PAGE)


class SubjectBody(Fields):
    """The body of `POST subjects` and `PUT subjects/{subject}`."""

    subject: Name


class EmbeddingsBody(Fields):
    """The body of requests with embeddings, which may have any length but zero."""

    embeddings: Annotated[list[Embedding], Field(min_length=1)]


class VerificationBody(Fields):
    """The body of `verification/embeddings/verify`."""

    source: Embedding
    targets: Annotated[list[Embedding], Field(min_length=1)]


ImageIds = TypeAdapter(list[Annotated[str, Field(max_length=100)]])


def query_of(request: Request, schema: type[T]) -> T:
    """The validated query parameters. Raises ValidationError."""
    return TypeAdapter(schema).validate_python(dict(request.query_params))


async def body_of(request: Request, schema: TypeAdapter[T]) -> T:
    """The validated JSON body, whatever its media type. Raises InvalidRequest, ValidationError."""
    try:
        return await read_json(request, schema.validate_json)
    except ValidationError as error:
        if any(one["type"] == "json_invalid" for one in error.errors()):
            raise InvalidRequest("body", "the body is not valid JSON") from error
        raise


def samples_of(embeddings: list[list[float]]) -> list[EmbeddingSample]:
    """The embeddings as samples."""
    return [EmbeddingSample(tuple(one)) for one in embeddings]
