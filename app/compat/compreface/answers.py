"""The answers that CompreFace's clients read. None of them has a field `message`."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Response
from pydantic import BaseModel

from app.compat.compreface.requests import ImageFields
from app.compat.ids import image_id_of
from app.faces.pipeline.types import Face
from app.store.named_people import OwnedTemplate, TemplatePage
from app.timings import Timings
from app.vectors import Vector


class Box(BaseModel):
    """`probability` is the detection score; the corners are pixels of the upright image."""

    probability: float
    x_max: int
    y_max: int
    x_min: int
    y_min: int


class ExecutionTime(BaseModel):
    """Durations of the request in milliseconds: finding its faces, and embedding them."""

    detector: float
    calculator: float | None = None


class PluginsVersions(BaseModel):
    """The names of the models."""

    detector: str
    calculator: str


class SimilarSubject(BaseModel):
    """A subject near a face."""

    subject: str
    similarity: float


class FoundFace(BaseModel):
    """A face. The plugins age, gender, mask and pose add no fields, the others do if requested."""

    box: Box
    landmarks: list[tuple[int, int]] | None = None
    embedding: list[float] | None = None
    execution_time: ExecutionTime | None = None
    subjects: list[SimilarSubject] | None = None
    subject: str | None = None
    similarity: float | None = None


class FoundFaces(BaseModel):
    """The faces of an image, largest first."""

    result: Sequence[FoundFace]
    plugins_versions: PluginsVersions | None = None


class VerifiedPair(BaseModel):
    """The face of the source image, and every face of the target image, largest first."""

    source_image_face: FoundFace
    face_matches: Sequence[FoundFace]
    plugins_versions: PluginsVersions | None = None


class VerifiedPairs(BaseModel):
    """The answer of `verification/verify`: always one item."""

    result: tuple[VerifiedPair]


class ComparedEmbedding(BaseModel):
    """An embedding that was sent, and its similarity to the source, or to the nearest subjects."""

    embedding: list[float]
    similarity: float | None = None
    similarities: list[SimilarSubject] | None = None


class ComparedEmbeddings(BaseModel):
    """Embeddings that were sent, most similar first where they are compared with one source."""

    result: Sequence[ComparedEmbedding]


class Example(BaseModel):
    """A template: the id that this API uses for it, and its subject."""

    image_id: str
    subject: str

    @classmethod
    def of(cls, template: OwnedTemplate) -> "Example":
        return cls(image_id=image_id_of(template.template_id), subject=template.name)


class Examples(BaseModel):
    """A page of templates, oldest first. `page_number` counts from 0."""

    faces: list[Example]
    page_number: int
    page_size: int
    total_pages: int
    total_elements: int

    @classmethod
    def of(cls, page: TemplatePage, number: int, size: int) -> "Examples":
        return cls(
            faces=[Example.of(template) for template in page.templates],
            page_number=number,
            page_size=size,
            total_pages=-(-page.total // size),
            total_elements=page.total,
        )


class Subject(BaseModel):
    """The name of a subject."""

    subject: str


class Subjects(BaseModel):
    """The names of all subjects, in order of enrollment, each once."""

    subjects: list[str]


class Updated(BaseModel):
    """Whether a subject was renamed or merged."""

    updated: bool


class Deleted(BaseModel):
    """The number of deleted subjects, or of the faces of deleted subjects."""

    deleted: int


@dataclass(frozen=True, slots=True)
class FaceView:
    """What an answer shows of each face: the plugins and the status that the client requested."""

    fields: ImageFields
    timings: Timings
    versions: PluginsVersions

    def face(self, face: Face, embedding: Vector | None = None) -> FoundFace:
        """The face, with its embedding if the calculator plugin was requested."""
        box, fields = face.detection.box, self.fields
        landmarks = [(round(float(x)), round(float(y))) for x, y in face.detection.landmarks]
        shown = embedding is not None and fields.has_plugin("calculator")
        return FoundFace(
            box=Box(
                probability=round(face.detection.score, 5),
                x_max=max(round(box.x + box.width), 0),
                y_max=max(round(box.y + box.height), 0),
                x_min=max(round(box.x), 0),
                y_min=max(round(box.y), 0),
            ),
            landmarks=landmarks if fields.has_plugin("landmarks") else None,
            embedding=embedding.tolist() if embedding is not None and shown else None,
            execution_time=self._execution_time() if fields.status else None,
        )

    def plugins_versions(self) -> PluginsVersions | None:
        """The names of the models, if the status was requested."""
        return self.versions if self.fields.status else None

    def _execution_time(self) -> ExecutionTime:
        spent = self.timings.milliseconds
        detector = sum(spent.get(stage, 0.0) for stage in ("decode", "detect", "align"))
        return ExecutionTime(detector=round(detector, 1), calculator=spent.get("embed"))


def reply(body: BaseModel, status: int = 200) -> Response:
    """The response; fields that are None are left out."""
    content = body.model_dump_json(exclude_none=True)
    return Response(content, status, media_type="application/json")
