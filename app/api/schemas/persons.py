"""Requests and responses about persons, their photos and erasures."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, model_validator

from app.api.schemas.base import GalleryField, Identifier, Metadata, Name, Request, example
from app.api.schemas.detections import Face
from app.faces.people import DetectedTemplate
from app.store import people
from app.store.erasures import Erasure
from app.store.person_search import PersonSearch


class PersonQuery(Request):
    """Filters and the page of `GET /persons`."""

    collection: GalleryField = "default"
    name: Annotated[
        str | None,
        Field(
            max_length=200,
            description="The beginning of the name; case is ignored.",
            examples=["barack"],
        ),
    ] = None
    q: Annotated[
        str | None,
        Field(
            max_length=200,
            description="Any part of the name; case is ignored.",
            examples=["obama"],
        ),
    ] = None
    external_id: Annotated[
        str | None, Field(description="Your own id, exactly.", examples=["staff-44"])
    ] = None
    limit: Annotated[
        int, Field(ge=1, le=500, description="The largest number of people.", examples=[50])
    ] = 50
    cursor: Annotated[
        str | None,
        Field(description="next_cursor of the previous page.", examples=["YWZ0ZXI6NTA="]),
    ] = None

    def search(self) -> PersonSearch:
        """The filters as the store takes them."""
        return PersonSearch(name=self.name, part=self.q, external_id=self.external_id)


class PersonChanges(Request):
    """The fields to change. `external_id: null` deletes it; `metadata` is replaced as a whole."""

    model_config = example({"name": "Barack Obama", "metadata": {"team": "press"}})

    name: Name | None = None
    external_id: Identifier | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _require_values(self) -> "PersonChanges":
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("name cannot be null; send a string, or omit the field")
        if "metadata" in self.model_fields_set and self.metadata is None:
            raise ValueError("metadata cannot be null; send {} to clear it, or omit the field")
        return self

    def columns(self) -> dict[str, Any]:
        """The fields that were sent, by their column names in the store."""
        renamed = {"metadata": "attributes"}
        return {renamed.get(f, f): getattr(self, f) for f in self.model_fields_set}


class Person(BaseModel):
    """An enrolled person; `photos` is the number of templates."""

    person_id: str
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    collection: str
    photos: int
    created_at: datetime

    @classmethod
    def of(cls, person: people.Person) -> "Person":
        return cls(
            person_id=person.person_id,
            name=person.name,
            external_id=person.external_id,
            metadata=person.metadata,
            collection=person.collection,
            photos=person.photos,
            created_at=person.created_at,
        )


class PersonPage(BaseModel):
    """One page of people; `next_cursor` is null on the last page.

    `crops` has, by person_id, the template of the best quality whose crop is stored; people without
    one are absent.
    """

    persons: list[Person]
    crops: Annotated[
        dict[str, str],
        Field(examples=[{"5d0f3a0b8c1e4f27a9b6c3d1": "9b1c5e7f2a4d6080c3e5a7b9"}]),
    ]
    next_cursor: str | None


class Photo(BaseModel):
    """A template of a person, without its embedding; `quality` is 0 to 1.

    `face` is the face that the template was made from; null for templates of earlier versions and
    of imported archives. `source` and `image_id` are null unless the enrollment named them. `crop`
    is whether the crop of the face is stored.
    """

    template_id: str
    quality: float | None
    created_at: datetime
    face: Face | None
    source: str | None
    image_id: str | None
    crop: bool

    @classmethod
    def of(cls, listed: DetectedTemplate) -> "Photo":
        template, detection = listed.template, listed.detection
        return cls(
            template_id=template.template_id,
            quality=template.quality,
            created_at=template.created_at,
            face=Face.of_stored(detection, template.quality or 0.0) if detection else None,
            source=detection.source if detection else None,
            image_id=detection.image_id if detection else None,
            crop=listed.has_crop,
        )


class PhotoList(BaseModel):
    photos: list[Photo]


class ErasureReceipt(BaseModel):
    """The record of a deletion.

    `subject` is the SHA-256 of the deleted id, or of the name of a collection, `digest` the SHA-256
    of the other fields as JSON with sorted keys. `completed_at` is when the bytes had been purged
    from the SQLite file, its log and index snapshots, and null until then; `complete_by` is when
    that is expected. Files of PostgreSQL keep the bytes until VACUUM FULL.
    """

    id: str
    subject: str
    collection: str
    templates: int
    photos: int
    crops: int
    erased_at: datetime
    complete_by: datetime
    completed_at: datetime | None
    digest: str

    @classmethod
    def of(cls, erasure: Erasure) -> "ErasureReceipt":
        return cls.model_validate(asdict(erasure))
