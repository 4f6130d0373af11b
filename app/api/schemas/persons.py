"""Requests and responses about persons, their photos, collections and erasures."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from app.api.schemas.base import CollectionName, Identifier, Metadata, Name, Request, example
from app.store import collections as store
from app.store import people
from app.store.erasures import Erasure
from app.store.shadow import ShadowState


class PersonQuery(Request):
    """Filters and the page of `GET /persons`."""

    collection: CollectionName = "default"
    name: str | None = None
    external_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: str | None = None


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


class NewCollection(Request):
    """A collection to create. `model` must be the active model if it is sent."""

    model_config = example({"name": "visitors", "kind": "gallery"})

    name: CollectionName
    kind: Literal["gallery", "vocabulary"] = "gallery"
    model: str | None = None


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
    """One page of people; `next_cursor` is null on the last page."""

    persons: list[Person]
    next_cursor: str | None


class Photo(BaseModel):
    """A template of a person, without its embedding; `quality` is 0 to 1."""

    template_id: str
    quality: float | None
    created_at: datetime


class PhotoList(BaseModel):
    photos: list[Photo]


class Shadow(BaseModel):
    """The shadow collection: the same people, embedded by another model.

    Searches do not use it. `missing` is the number of people without a template in it.
    """

    model: str
    missing: int


class Collection(BaseModel):
    """A gallery of `size` people or a vocabulary of `size` words.

    `shadow` is set while the gallery is migrated to another model.
    """

    name: str
    kind: Literal["gallery", "vocabulary"]
    model: str
    dimension: int
    size: int
    created_at: datetime
    shadow: Shadow | None = None

    @classmethod
    def of(cls, collection: store.Collection, shadow: ShadowState | None = None) -> "Collection":
        return cls(
            shadow=Shadow(model=shadow.model, missing=shadow.missing) if shadow else None,
            name=collection.name,
            kind=collection.kind,
            model=collection.space.name,
            dimension=collection.space.dimension,
            size=collection.size,
            created_at=collection.created_at,
        )


class CollectionList(BaseModel):
    collections: list[Collection]


class ErasureReceipt(BaseModel):
    """The record of a deletion.

    `subject` is the SHA-256 of the deleted id, `digest` the SHA-256 of the other fields as JSON
    with sorted keys. By `complete_by` the bytes are purged from logs and index snapshots, too.
    """

    id: str
    subject: str
    collection: str
    templates: int
    photos: int
    erased_at: datetime
    complete_by: datetime
    digest: str

    @classmethod
    def of(cls, erasure: Erasure) -> "ErasureReceipt":
        return cls.model_validate(asdict(erasure))
