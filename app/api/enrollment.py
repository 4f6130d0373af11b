"""Endpoints that enroll people: one image per request, or a batch."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from app.api.access_log import note_collection
from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.callers import Caller
from app.api.deps import Context, Ctx, RequestTimings
from app.api.faces import active_model
from app.api.problems import describe, problem_of, request_id_of
from app.api.schemas import enrollment as schemas
from app.api.uploads import decode_base64, one_image_body, read_image
from app.errors import SimaError
from app.faces.enrollment import Enrollment, EnrollOrder
from app.timings import Timings

router = APIRouter(route_class=AuthorizedRoute, tags=["faces"])


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="A random text of your choice, which a retry of the request repeats.",
        examples=["0d1f2c8e-53b7-4f0e-9c0d-6c1f5a3d7b1e"],
    ),
]


@router.post(
    "/enroll",
    status_code=201,
    responses={
        200: {"model": schemas.Enrolled, "description": "The result of a dry run; nothing stored"},
        **describe(400, 404, 409, 413, 415),
    },
    openapi_extra=one_image_body(schemas.EnrollFields),
)
async def enroll(
    request: Request,
    response: Response,
    ctx: Ctx,
    caller: CurrentCaller,
    timings: RequestTimings,
    key: IdempotencyKey = None,
) -> schemas.Enrolled:
    """Enroll a person from one image, or add an image to a known person.

    A request that is repeated with the same `Idempotency-Key` within a day returns the first
    response with the header `Idempotent-Replayed: true` and stores nothing.
    """
    fields, image = await read_image(request, schemas.EnrollFields)
    caller.require_collection(fields.collection)
    order = fields.order(key or None)
    note_collection(request, order.collection)
    result = await _run(ctx, timings, image, order)
    if fields.dry_run:
        response.status_code = 200
    if result.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return schemas.Enrolled.of(result, fields.collection, active_model(ctx))


@router.post("/enroll/batch", responses=describe(413, 415))
async def enroll_batch(
    request: Request, ctx: Ctx, caller: CurrentCaller, timings: RequestTimings, batch: schemas.Batch
) -> schemas.BatchAnswer:
    """Enroll up to 100 images, one after the other. A refused item does not stop the others."""
    request_id = request_id_of(request)
    results = [await _enroll_item(ctx, caller, timings, item, request_id) for item in batch.items]
    enrolled = sum(result.enrolled is not None for result in results)
    return schemas.BatchAnswer(results=results, enrolled=enrolled, refused=len(results) - enrolled)


async def _run(ctx: Context, timings: Timings, image: bytes, order: EnrollOrder) -> Enrollment:
    """Enrolls in two steps, so that waiting for the database takes no thread of photo requests."""
    enroller = ctx.services.enroller
    photo = await ctx.run(lambda: enroller.examine(image, order, timings))
    added = await ctx.write(lambda: enroller.add(photo, order, timings))
    ctx.metrics.count_decisions("enroll", ["replayed" if added.replayed else "enrolled"])
    return added


async def _enroll_item(
    ctx: Context, caller: Caller, timings: Timings, item: schemas.BatchItem, request_id: str
) -> schemas.BatchResult:
    ctx.begin_item()
    try:
        caller.require_collection(item.collection)
        image = await ctx.parse(lambda: decode_base64(item.image, "image"))
        result = await _run(ctx, timings, image, item.order(None))
    except SimaError as error:
        problem = problem_of(request_id, error)
        return schemas.BatchResult(status=problem.status, problem=problem)
    enrolled = schemas.Enrolled.of(result, item.collection, active_model(ctx))
    return schemas.BatchResult(status=200 if item.dry_run else 201, enrolled=enrolled)
