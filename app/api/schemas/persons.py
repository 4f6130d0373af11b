"""People, their photos and collections, as the contract names them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, model_validator

from app.api.schemas.base import CollectionName, Identifier, Name, Request, example
from app.store import collections as store
from app.store import people


class PersonChanges(Request):
    model_config = example({"name": "Barack Obama", "metadata": {"team": "press"}})

    name: Name | None = None
    external_id: Identifier | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _sensible(self) -> "PersonChanges":
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("a person keeps a name")
        if "metadata" in self.model_fields_set and self.metadata is None:
            raise ValueError("metadata is an object; {} empties it")
        return self

    def columns(self) -> dict[str, Any]:
        """What was sent, by the store's names."""
        renamed = {"metadata": "attributes"}
        return {renamed.get(f, f): getattr(self, f) for f in self.model_fields_set}


class NewCollection(Request):
    model_config = example({"name": "visitors", "kind": "gallery"})

    name: CollectionName
    kind: Literal["gallery", "vocabulary"] = "gallery"
    model: str | None = None


class Person(BaseModel):
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
    persons: list[Person]
    next_cursor: str | None


class Photo(BaseModel):
    template_id: str
    quality: float | None
    created_at: datetime


class PhotoList(BaseModel):
    photos: list[Photo]


class Counterpart(BaseModel):
    """The same people in the space of another model, which does not answer; `missing` have no
    template there yet."""

    model: str
    missing: int


class Collection(BaseModel):
    """`size` counts people or words; `counterpart` is set while a gallery changes its model."""

    name: str
    kind: Literal["gallery", "vocabulary"]
    model: str
    dimension: int
    size: int
    created_at: datetime
    counterpart: Counterpart | None = None

    @classmethod
    def of(
        cls, collection: store.Collection, counterpart: Counterpart | None = None
    ) -> "Collection":
        return cls(
            counterpart=counterpart,
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
    """What a deletion removed. `subject` is the SHA-256 of the id that was deleted, `digest` that
    of the other fields as JSON with sorted keys; `complete_by` is when the bytes are out of logs
    and index snapshots, too."""

    id: str
    subject: str
    collection: str
    templates: int
    photos: int
    erased_at: datetime
    complete_by: datetime
    digest: str
