"""Requests and responses about moving templates and merging people."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from app.api.schemas.base import Identifier, Metadata, Name, Request, example
from app.api.schemas.persons import Person
from app.faces.reassignment import Merge, MoveOrder
from app.store.people import NewPerson

_ID = "9c1185a5c5e9fc5461280897"
OnMismatch = Annotated[
    Literal["reject", "allow"],
    Field(
        description="A template that does not match the person who gets it is `different_person`, "
        "or moved.",
        examples=["reject"],
    ),
]


class PhotoMove(Request):
    """Who gets the template: the person of `person_id`, or a new person with the given `name`."""

    model_config = example({"person_id": _ID})

    person_id: Annotated[
        Identifier | None, Field(description="A person of the same collection.", examples=[_ID])
    ] = None
    name: Annotated[
        Name | None, Field(description="The name of a new person.", examples=["Barack Obama"])
    ] = None
    external_id: Annotated[
        Identifier | None, Field(description="Your own id of the new person.", examples=["44"])
    ] = None
    metadata: Annotated[
        Metadata, Field(description="Your own data about the new person.", examples=[{}])
    ] = {}
    on_mismatch: OnMismatch = "reject"

    @model_validator(mode="after")
    def _require_one_person(self) -> "PhotoMove":
        if (self.person_id is None) == (self.name is None):
            raise ValueError("send either person_id, or name for a new person")
        if self.name is None and {"external_id", "metadata"} & self.model_fields_set:
            raise ValueError("external_id and metadata are allowed with name only")
        return self

    def order(self, person_id: str, template_id: str) -> MoveOrder:
        """The move of a template of the person `person_id`."""
        to = self.person_id or NewPerson(str(self.name), self.external_id, self.metadata)
        return MoveOrder(person_id, template_id, to, self.on_mismatch == "allow")


class MovedPhoto(BaseModel):
    """A template, and the person who has it now."""

    template_id: str
    person: Person


class PersonMerge(Request):
    """The person who gets the templates of the other, and remains."""

    model_config = example({"into": _ID})

    into: Annotated[
        Identifier, Field(description="A person of the same collection.", examples=[_ID])
    ]
    on_mismatch: OnMismatch = "reject"


class MergedPerson(Person):
    """The person who remains. `moved` are the templates that the other person had.

    To undo a merge, move them with PATCH /persons/{person_id}/photos/{template_id}: the first to a
    new person, by `name`, the others to that person.
    """

    moved: list[str]

    @classmethod
    def of_merge(cls, merge: Merge) -> "MergedPerson":
        return cls(**Person.of(merge.person).model_dump(), moved=list(merge.moved))
