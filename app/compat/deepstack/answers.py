"""The answers that clients of DeepStack and CodeProject.AI read; the HTTP status is always 200."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from app.faces.pipeline.types import Face


class Answer(BaseModel):
    """What every answer has. `code` is an HTTP status; the durations are in milliseconds."""

    success: bool
    code: int = 200
    moduleId: Literal["FaceProcessing"] = "FaceProcessing"  # noqa: N815 - the clients' spelling
    inferenceMs: int = 0  # noqa: N815 - same
    processMs: int = 0  # noqa: N815 - same


class Prediction(BaseModel):
    """A face: `confidence`, 0 to 1, and the corners of its box in pixels of the upright image.

    `userid` is present in a recognition only.
    """

    confidence: float
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    userid: str | None = None

    @classmethod
    def of(cls, face: Face, score: float, userid: str | None = None) -> "Prediction":
        box = face.detection.box
        return cls(
            confidence=round(score, 4),
            x_min=round(box.x),
            y_min=round(box.y),
            x_max=round(box.x + box.width),
            y_max=round(box.y + box.height),
            userid=userid,
        )


class Predictions(Answer):
    """The faces of an image, largest first."""

    success: bool = True
    predictions: Sequence[Prediction]
    count: int
    message: str


class Registered(Answer):
    """`message` is shown to people."""

    success: bool = True
    message: str


class UserList(Answer):
    """The userids of all people, in order of registration, each once."""

    success: bool = True
    faces: list[str]


class Matched(Answer):
    """`similarity` is at least 0.67 exactly if both images show one person."""

    success: bool = True
    similarity: float


class Failure(Answer):
    """An error; `code` is the status of the same error in this service's own API."""

    success: bool = False
    error: str
    predictions: list[Prediction] = []
