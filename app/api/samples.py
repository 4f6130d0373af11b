"""Selects the samples of a request: images, embeddings and templates, by their field names."""

from collections.abc import Mapping

from app.api.schemas.face_requests import EMBEDDING, TEMPLATE_ID, SampleFields
from app.errors import InvalidRequest
from app.faces.probes import Sample

_IMAGE = "image"


def choose_samples(
    images: Mapping[str, bytes], fields: SampleFields, suffixes: tuple[str, ...]
) -> dict[str, Sample]:
    """One sample per suffix, such as `_a` of `image_a`, `embedding_a` and `template_id_a`.

    Raises InvalidRequest unless exactly one of the three was sent for each suffix, and nothing
    with another suffix.
    """
    sent: dict[str, Sample] = {**images, **fields.samples()}
    alternatives = {suffix: _field_names(suffix) for suffix in suffixes}
    allowed = {name for names in alternatives.values() for name in names}
    for name in sent:
        if name not in allowed:
            raise InvalidRequest(
                name,
                f"{name} is not allowed here; send image and person_id, or image_a and image_b "
                "(an embedding or a template_id may stand in for each image)",
            )
    return {suffix: _only(sent, names) for suffix, names in alternatives.items()}


def _field_names(suffix: str) -> tuple[str, ...]:
    return tuple(f"{name}{suffix}" for name in (_IMAGE, EMBEDDING, TEMPLATE_ID))


def _only(sent: Mapping[str, Sample], names: tuple[str, ...]) -> Sample:
    present = [name for name in names if name in sent]
    if len(present) != 1:
        image, embedding, template_id = names
        raise InvalidRequest(
            present[1] if present else image,
            f"{' and '.join(present) or 'nothing to compare'} was sent; send exactly one of "
            f"{image} (an image file), {embedding} and {template_id}",
        )
    return sent[present[0]]
