"""Many photos in one request; each is answered for itself."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import BaseModel, Field

from app.api import face_schemas as schemas
from app.api.deps import Clock, Ctx, Writer
from app.api.faces import enrolled_answer, order_of
from app.api.intake import decode_base64
from app.api.problems import Problem, describe, problem_of, request_id_of
from app.api.schema_base import Request
from app.errors import SimaError

router = APIRouter(tags=["faces"])

_MOST = 100


class BatchItem(schemas.EnrollFields):
    """The fields of `POST /enroll`, with the photo in base64."""

    image: str


class Batch(Request):
    items: Annotated[list[BatchItem], Field(min_length=1, max_length=_MOST)]


class BatchResult(BaseModel):
    """Either what `POST /enroll` answers, or the problem, with the status that goes with it."""

    status: int
    enrolled: schemas.Enrolled | None = None
    problem: Problem | None = None


class BatchAnswer(BaseModel):
    """Results in the order of the items."""

    results: list[BatchResult]
    enrolled: int
    refused: int


@router.post("/enroll/batch", dependencies=[Writer], responses=describe(413, 415))
async def enroll_batch(request: HttpRequest, ctx: Ctx, clock: Clock, batch: Batch) -> BatchAnswer:
    """Enroll up to a hundred photos, one after the other. A refused one stops nothing."""
    name = request_id_of(request)
    results = [await _one(ctx, clock, item, name) for item in batch.items]
    enrolled = sum(result.enrolled is not None for result in results)
    return BatchAnswer(results=results, enrolled=enrolled, refused=len(results) - enrolled)


async def _one(ctx: Ctx, clock: Clock, item: BatchItem, request_id: str) -> BatchResult:
    try:
        image = decode_base64(item.image, "image")
        order = order_of(item, None)
        done = await ctx.run(lambda: ctx.services.enroller.enroll(image, order, clock))
    except SimaError as error:
        found = problem_of(request_id, error)
        return BatchResult(status=found.status, problem=found)
    answer = enrolled_answer(done, item.collection, ctx.services.embedder.space.name)
    return BatchResult(status=200 if item.dry_run else 201, enrolled=answer)
