"""Requests and responses about visitors."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from app.api.schemas.base import Identifier, Metadata, Name, Request, example
from app.store import visitors
from app.store.people import NewPerson


class VisitorQuery(Request):
    """The page of `GET /collections/{name}/visitors`."""

    limit: Annotated[
        int, Field(ge=1, le=500, description="The largest number of visitors.", examples=[50])
    ] = 50
    cursor: Annotated[
        str | None,
        Field(description="next_cursor of the previous page.", examples=["YWZ0ZXI6NTA="]),
    ] = None


class Visitor(BaseModel):
    """An unknown person; `expires_at` is when the visitor is deleted unless seen before."""

    visitor_id: str
    first_seen_at: datetime
    last_seen_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, visitor: visitors.Visitor) -> "Visitor":
        return cls(
            visitor_id=visitor.visitor_id,
            first_seen_at=visitor.first_seen_at,
            last_seen_at=visitor.last_seen_at,
            expires_at=visitor.expires_at,
        )


class VisitorPage(BaseModel):
    """One page of visitors; `next_cursor` is null on the last page."""

    visitors: list[Visitor]
    next_cursor: str | None


class VisitorPromotion(Request):
    """The person that a visitor becomes."""

    model_config = example({"name": "Barack Obama", "external_id": "staff-44"})

    name: Name
    external_id: Identifier | None = None
    metadata: Metadata = {}

    def person(self) -> NewPerson:
        """The fields as the store takes them."""
        return NewPerson(self.name, self.external_id, self.metadata)
