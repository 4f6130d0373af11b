"""Domain errors. No HTTP here: `app.api.problems` maps each code to a status."""

from dataclasses import dataclass
from typing import ClassVar


class SimaError(Exception):
    """Base of everything that the service refuses knowingly.

    `code` is the stable, machine-readable name of the HTTP contract; the message is for people.
    """

    code: ClassVar[str] = "internal_error"


class ModelError(SimaError):
    """A model file, its manifest or its output is not what it claims to be."""


class NotReady(SimaError):
    """Something that the service stands on cannot be used at the moment."""

    code = "not_ready"


class InvalidImage(SimaError):
    """The bytes are not a whole, readable photo."""

    code = "invalid_image"


class ImageTooLarge(SimaError):
    """More bytes or pixels than the settings allow."""

    code = "image_too_large"


class FileTooLarge(SimaError):
    """More bytes than the settings allow for an uploaded file."""

    code = "file_too_large"


class UnsupportedMedia(SimaError):
    """Neither a photo format that is read here, nor a body that carries one."""

    code = "unsupported_media_type"


class InvalidRequest(SimaError):
    """The request is well formed and makes no sense; `where` names the field."""

    code = "validation_error"

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class NoFace(SimaError):
    """The photo shows nobody."""

    code = "no_face"


class MultipleFaces(SimaError):
    """The photo shows several people where one was asked for."""

    code = "multiple_faces"

    def __init__(self, count: int) -> None:
        super().__init__(f"the photo shows {count} faces; send one person, or ask for face=largest")
        self.count = count


@dataclass(frozen=True, slots=True)
class PoorReason:
    """One named reason against a photo: `measured` lies on the wrong side of `limit`."""

    code: str
    measured: float
    limit: float


class PoorQuality(SimaError):
    """The face is not fit to be enrolled, for the reasons named."""

    code = "poor_quality"

    def __init__(self, reasons: tuple[PoorReason, ...]) -> None:
        super().__init__(
            "the face is not fit to be enrolled: " + ", ".join(r.code for r in reasons)
        )
        self.reasons = reasons


class AlreadyEnrolled(SimaError):
    """The same face is known under another person."""

    code = "already_enrolled"

    def __init__(self, person_id: str, name: str, similarity: float) -> None:
        super().__init__("this face is already enrolled as another person")
        self.person_id = person_id
        self.name = name
        self.similarity = similarity


class PersonNotFound(SimaError):
    """No person has this id (in this collection)."""

    code = "person_not_found"


class PhotoNotFound(SimaError):
    """The person has no template with this id."""

    code = "photo_not_found"


class CollectionNotFound(SimaError):
    """No collection has this name."""

    code = "collection_not_found"


class VocabularyNotFound(SimaError):
    """No vocabulary has this name."""

    code = "vocabulary_not_found"


class CollectionExists(SimaError):
    """The name is taken."""

    code = "collection_exists"


class SpaceMismatch(SimaError):
    """The collection was made with another model; its vectors compare with no others."""

    code = "space_mismatch"


class CounterpartExists(SimaError):
    """The collection has templates of another model beside its own, or is on that one already."""

    code = "counterpart_exists"


class NoCounterpart(SimaError):
    """There is no second space to change to, or to discard."""

    code = "no_counterpart"


class PeopleMissing(SimaError):
    """Some people would not be found any more: they have to be photographed again first."""

    code = "people_missing"


class WordNotFound(SimaError):
    """The vocabulary does not hold this word; `suggestions` are words that look like it."""

    code = "word_not_found"

    def __init__(self, word: str, vocabulary: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(f"{word!r} is not in the vocabulary {vocabulary!r}")
        self.word = word
        self.suggestions = suggestions


class Unauthorized(SimaError):
    """No API key, or one that is not known."""

    code = "unauthorized"


class Forbidden(SimaError):
    """The API key may not do this."""

    code = "forbidden"


class RateLimited(SimaError):
    """Too many requests; `retry_after` is in seconds."""

    code = "rate_limited"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after} s")
        self.retry_after = retry_after


class RefusedLabel(SimaError):
    """The service does not judge faces by this."""

    code = "refused_label"

    def __init__(self, label: str, topic: str) -> None:
        super().__init__(f"{label[:80]!r}: {topic} is not inferred from faces here")
        self.label, self.topic = label, topic


class ProjectionNotFound(SimaError):
    """There is no projection of this name."""

    code = "projection_not_found"


class ProjectionExists(SimaError):
    """The name is taken."""

    code = "projection_exists"


class KeyReused(SimaError):
    """An idempotency key came with another request before."""

    code = "idempotency_key_reused"


class SettingError(SimaError):
    """A setting that cannot work; said at the start, never to a client."""

    code = "not_ready"


class ErasureNotFound(SimaError):
    """There is no receipt with this id."""

    code = "erasure_not_found"


class SealBroken(SimaError):
    """What is sealed cannot be opened: another key, or changed bytes."""

    code = "not_ready"


class ArchiveRefused(SimaError):
    """An archive that is damaged, changed, sealed for others, or signed by a stranger."""

    code = "validation_error"
