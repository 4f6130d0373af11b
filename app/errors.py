"""Domain exceptions. `app.api.problems` maps each `code` to an HTTP status."""

from dataclasses import dataclass
from typing import ClassVar


class SimaError(Exception):
    """Base class of the exceptions that the service raises deliberately.

    `code` is the stable error code of the HTTP contract. The message states fact and remedy.
    """

    code: ClassVar[str] = "internal_error"


class ModelError(SimaError):
    """A model file, its manifest or its output is invalid. Clients receive `internal_error`."""

    code = "model_error"


class NotReady(SimaError):
    """A dependency of the service is unavailable. `check` names the failed readiness check."""

    code = "not_ready"
    check: str | None = None


class Overloaded(NotReady):
    """The service is busy with other requests. `retry_after` is in seconds."""

    code = "overloaded"
    retry_after = 2


class InvalidImage(SimaError):
    """The bytes are not a complete, decodable image."""

    code = "invalid_image"


class ImageTooLarge(SimaError):
    """The image has more bytes or pixels than the settings allow."""

    code = "image_too_large"


class FileTooLarge(SimaError):
    """The uploaded file has more bytes than the settings allow."""

    code = "file_too_large"


class UnsupportedMediaType(SimaError):
    """The image format or the content type of the request is not supported."""

    code = "unsupported_media_type"


class InvalidRequest(SimaError):
    """The request violates a rule that its schema does not express; `where` names the field."""

    code = "validation_error"

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class NoFace(SimaError):
    """No face was detected in the image."""

    code = "no_face"


class MultipleFaces(SimaError):
    """Several faces were detected where the request requires one; `count` is their number."""

    code = "multiple_faces"

    def __init__(self, count: int, image: str = "the image") -> None:
        super().__init__(
            f"{image} shows {count} faces; send an image of one person, or set face=largest"
        )
        self.count = count


@dataclass(frozen=True, slots=True)
class PoorReason:
    """A quality check that failed: `measured` is beyond `limit`."""

    code: str
    measured: float
    limit: float


class PoorQuality(SimaError):
    """The quality of the face is too low for enrollment, for the given reasons."""

    code = "poor_quality"

    def __init__(self, reasons: tuple[PoorReason, ...]) -> None:
        codes = ", ".join(reason.code for reason in reasons)
        super().__init__(
            f"the quality of the face is too low for enrollment ({codes}); send a better image"
        )
        self.reasons = reasons


class AlreadyEnrolled(SimaError):
    """The face matches another person of the gallery."""

    code = "already_enrolled"

    def __init__(self, person_id: str, name: str, similarity: float, threshold: float) -> None:
        super().__init__(
            "this face is already enrolled as another person; send that person_id to add a photo, "
            "or on_duplicate=allow"
        )
        self.person_id, self.name = person_id, name
        self.similarity, self.threshold = similarity, threshold


class DifferentPerson(SimaError):
    """The photo for a known person does not match that person."""

    code = "different_person"

    def __init__(self, person_id: str, name: str, similarity: float, threshold: float) -> None:
        super().__init__(
            "the photo does not match the person; send the right person_id, another photo, or "
            "on_mismatch=allow"
        )
        self.person_id, self.name = person_id, name
        self.similarity, self.threshold = similarity, threshold


class ExternalIdTaken(SimaError):
    """Another person of the collection, `person_id`, has this external id."""

    code = "external_id_taken"

    def __init__(self, person_id: str, message: str | None = None) -> None:
        super().__init__(
            message
            or "another person of the collection has this external_id; send that person_id to add "
            "a photo, or another external_id"
        )
        self.person_id = person_id


class PersonNotFound(SimaError):
    """No person has this id (in this collection)."""

    code = "person_not_found"


class PhotoNotFound(SimaError):
    """The person has no template with this id, or its photo is not stored."""

    code = "photo_not_found"


class CollectionNotFound(SimaError):
    """No collection has this name."""

    code = "collection_not_found"


class VocabularyNotFound(SimaError):
    """No vocabulary has this name."""

    code = "vocabulary_not_found"


class CollectionExists(SimaError):
    """A collection with this name exists already."""

    code = "collection_exists"


class SpaceMismatch(SimaError):
    """The vectors of the collection belong to another embedding space than the active model."""

    code = "space_mismatch"


class ShadowExists(SimaError):
    """The collection has a shadow collection already, or uses the requested model already."""

    code = "shadow_exists"


class ShadowNotFound(SimaError):
    """The collection has no shadow collection."""

    code = "shadow_not_found"


class PeopleMissing(SimaError):
    """Some people have no template in the shadow collection and would no longer be found."""

    code = "people_missing"


class TooFewPeople(SimaError):
    """A gallery has too few people or photos to measure its own error rates."""

    code = "too_few_people"


class WordNotFound(SimaError):
    """The vocabulary does not contain the word; `suggestions` are words with similar spelling."""

    code = "word_not_found"

    def __init__(self, word: str, vocabulary: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(f"{word!r} is not in the vocabulary {vocabulary!r}")
        self.word, self.suggestions = word, suggestions


class Unauthorized(SimaError):
    """The API key is missing or unknown."""

    code = "unauthorized"


class Forbidden(SimaError):
    """The role of the API key does not permit the operation."""

    code = "forbidden"


class RateLimited(SimaError):
    """The caller exceeded the rate limit; `retry_after` is in seconds."""

    code = "rate_limited"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the rate limit is exceeded; try again in {retry_after} s")
        self.retry_after = retry_after


class RefusedLabel(SimaError):
    """The label names a topic that the service does not infer from faces."""

    code = "refused_label"

    def __init__(self, label: str, topic: str) -> None:
        super().__init__(f"the label {label[:80]!r} is refused: {topic} is not inferred from faces")
        self.label, self.topic = label, topic


class ProjectionNotFound(SimaError):
    """No projection has this name."""

    code = "projection_not_found"


class ProjectionExists(SimaError):
    """A projection with this name exists already."""

    code = "projection_exists"


class IdempotencyKeyReused(SimaError):
    """The idempotency key was used before with a different request."""

    code = "idempotency_key_reused"


class VocabularyChanged(SimaError):
    """Words were deleted during an export. HTTP clients receive an incomplete response."""

    code = "not_ready"


class InvalidSetting(SimaError):
    """A setting is invalid. Raised at start-up; clients never receive it."""

    code = "not_ready"


class ErasureNotFound(SimaError):
    """No erasure receipt has this id."""

    code = "erasure_not_found"


class DecryptionFailed(SimaError):
    """Encrypted bytes could not be decrypted: the key is missing or the bytes were changed."""

    code = "not_ready"


class InvalidArchive(SimaError):
    """The archive is damaged, modified, encrypted with another key, or its signer is unknown."""

    code = "validation_error"
