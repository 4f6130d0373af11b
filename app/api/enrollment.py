"""Endpoints that enroll people: one photo, or many photos in one request."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi import Request as HttpRequest
from pydantic import BaseModel, Field

from app.api.deps import Ctx, RequestTimings, Writer
from app.api.faces import GALLERY_ERRORS, ONE_PHOTO, model_name, one_photo, require_image
from app.api.problems import Problem, describe, problem_of, request_id_of
from app.api.schemas import faces as schemas
from app.api.schemas.base import Request
from app.api.uploads import decode_base64, read_photos
from app.errors import SimaError
from app.faces.enrollment import Enrollment, EnrollOrder

router = APIRouter(tags=["faces"])

_MOST = 100


@router.post(
    "/enroll",
    status_code=201,
    dependencies=[Writer],
    responses={
        200: {"model": schemas.Enrolled, "description": "What a dry run would have stored"},
        **GALLERY_ERRORS,
    },
    openapi_extra=one_photo(schemas.EnrollFields),
)
async def enroll(
    request: HttpRequest,
    response: Response,
    ctx: Ctx,
    timings: RequestTimings,
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
) -> schemas.Enrolled:
    """Learn a person from one photo, or add a photo to a known person.

    A request that is sent again with its `Idempotency-Key` within a day is answered like the first
    time, with `Idempotent-Replayed: true`, and stores nothing.
    """
    fields, images = await read_photos(request, schemas.EnrollFields, ONE_PHOTO)
    image = require_image(images, "image")
    order = _order_of(fields, key or None)
    done = await ctx.run(lambda: ctx.services.enroller.enroll(image, order, timings))
    if fields.dry_run:
        response.status_code = 200
    if done.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return _enrolled(done, fields.collection, model_name(ctx))


def _order_of(fields: schemas.EnrollFields, key: str | None) -> EnrollOrder:
    """What the fields of a request ask for."""
    return EnrollOrder(
        name=fields.name,
        collection=fields.collection,
        person_id=fields.person_id,
        external_id=fields.external_id,
        metadata=fields.metadata,
        face=fields.face,
        allow_duplicate=fields.on_duplicate == "allow",
        dry_run=fields.dry_run,
        key=key,
    )


def _enrolled(done: Enrollment, collection: str, model: str) -> schemas.Enrolled:
    """The answer to one enrollment."""
    return schemas.Enrolled(
        person_id=done.person.person_id if done.person else None,
        name=done.name,
        collection=collection,
        template_id=done.template.template_id if done.template else None,
        face=schemas.Face.of(done.face),
        model=model,
        created_at=done.template.created_at if done.template else None,
    )


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
async def enroll_batch(
    request: HttpRequest, ctx: Ctx, timings: RequestTimings, batch: Batch
) -> BatchAnswer:
    """Enroll up to a hundred photos, one after the other. A refused one stops nothing."""
    name = request_id_of(request)
    results = [await _one(ctx, timings, item, name) for item in batch.items]
    enrolled = sum(result.enrolled is not None for result in results)
    return BatchAnswer(results=results, enrolled=enrolled, refused=len(results) - enrolled)


async def _one(ctx: Ctx, timings: RequestTimings, item: BatchItem, request_id: str) -> BatchResult:
    try:
        image = decode_base64(item.image, "image")
        order = _order_of(item, None)
        done = await ctx.run(lambda: ctx.services.enroller.enroll(image, order, timings))
    except SimaError as error:
        found = problem_of(request_id, error)
        return BatchResult(status=found.status, problem=found)
    answer = _enrolled(done, item.collection, model_name(ctx))
    return BatchResult(status=200 if item.dry_run else 201, enrolled=answer)
