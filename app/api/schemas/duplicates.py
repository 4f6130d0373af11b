"""Requests and responses about people who may be one person enrolled twice."""

from typing import Annotated

from pydantic import BaseModel, Field

from app.api.cursors import encode_cursor
from app.api.schemas.base import Rate, Request
from app.api.schemas.persons import Person
from app.faces import duplicates


class DuplicateQuery(Request):
    """The page of `GET /collections/{name}/duplicates`."""

    limit: Annotated[
        int,
        Field(ge=1, le=200, description="The number of people to examine.", examples=[100]),
    ] = 100
    cursor: Annotated[
        str | None,
        Field(description="next_cursor of the previous page.", examples=["YWZ0ZXI6NTA="]),
    ] = None
    target_fpir: Annotated[
        Rate | None,
        Field(
            description="The share of people who are reported although they resemble another one "
            "by chance; default: SIMA_DUPLICATE_FPIR.",
            examples=[0.01],
        ),
    ] = None


class DuplicatePair(BaseModel):
    """Two people and a template of each; `similarity` reaches `threshold`.

    `crop_a` and `crop_b` are the templates of the best quality whose crop is stored, or null.
    `estimated_fmr` is the false match rate of the threshold that this pair would just reach.
    """

    a: Person
    b: Person
    template_a: str
    template_b: str
    crop_a: str | None
    crop_b: str | None
    similarity: float
    threshold: float
    estimated_fmr: float

    @classmethod
    def of(cls, pair: duplicates.DuplicatePair) -> "DuplicatePair":
        judgement = pair.judgement
        return cls(
            a=Person.of(pair.person),
            b=Person.of(pair.other),
            template_a=pair.template_id,
            template_b=pair.other_template_id,
            crop_a=pair.crop,
            crop_b=pair.other_crop,
            similarity=judgement.similarity,
            threshold=judgement.threshold,
            estimated_fmr=judgement.estimated_fmr,
        )


class DuplicatePage(BaseModel):
    """The pairs of the `examined` people; `next_cursor` is null on the last page."""

    pairs: list[DuplicatePair]
    examined: int
    next_cursor: str | None

    @classmethod
    def of(cls, page: duplicates.DuplicatePage) -> "DuplicatePage":
        return cls(
            pairs=[DuplicatePair.of(pair) for pair in page.pairs],
            examined=page.examined,
            next_cursor=None if page.next_after is None else encode_cursor(page.next_after),
        )
