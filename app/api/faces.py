"""Endpoints that detect, embed, verify and identify faces."""

from fastapi import APIRouter, Request

from app.api.audit import record_decisions
from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.deps import Context, Ctx, RequestTimings
from app.api.problems import describe
from app.api.samples import choose_samples
from app.api.schemas import face_requests as requests
from app.api.schemas import faces as schemas
from app.api.scopes import require_person
from app.api.uploads import IMAGE, image_body, one_image_body, read_image, read_images
from app.faces.audit_events import (
    embedding_events,
    identification_events,
    verification_events,
)

router = APIRouter(route_class=AuthorizedRoute, tags=["faces"])

_VERIFY_IMAGES = ("image", "image_a", "image_b")
_IMAGE_ERRORS = describe(400, 413, 415)
_GALLERY_ERRORS = describe(400, 404, 409, 413, 415)


@router.post(
    "/detect",
    responses=_IMAGE_ERRORS,
    openapi_extra=one_image_body(requests.NoFields),
)
async def detect(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Detected:
    """Detect every face of an image. Without a face the list is empty."""
    _, image = await read_image(request, requests.NoFields)
    analysis = await ctx.run(lambda: ctx.services.pipeline.analyze(image, timings))
    return schemas.Detected.of(analysis)


@router.post(
    "/embed",
    responses=_IMAGE_ERRORS,
    openapi_extra=one_image_body(requests.EmbedFields),
)
async def embed(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Embedded:
    """Embed the largest face of an image, its subject, or all. Without a face the list is empty."""
    fields, image = await read_image(request, requests.EmbedFields)
    found = await ctx.run(lambda: ctx.services.recognizer.embed(image, fields.faces, timings))
    await record_decisions(request, ctx, embedding_events(found))
    return schemas.Embedded.of(found, active_model(ctx))


@router.post(
    "/verify",
    responses=_GALLERY_ERRORS,
    openapi_extra=image_body(requests.VerifyFields, _VERIFY_IMAGES, ()),
)
async def verify(
    request: Request, ctx: Ctx, caller: CurrentCaller, timings: RequestTimings
) -> schemas.Verified:
    """Verify 1:1 whether two images show one person, or one image shows an enrolled person.

    An embedding or a stored template may stand in for each image: `embedding` and `template_id` for
    `image`, `embedding_a` and `template_id_a` for `image_a`, and the same with `_b`.
    """
    fields, images = await read_images(request, requests.VerifyFields, _VERIFY_IMAGES)
    recognizer, options = ctx.services.recognizer, fields.options()
    face, rotate = fields.face, fields.rotate == "auto"
    if (person_id := fields.person_id) is not None:
        sample = choose_samples(images, fields, ("",))[""]
        if fields.collection is not None:
            caller.require_collection(fields.collection)
        await require_person(ctx, caller, person_id)
        result = await ctx.run(
            lambda: recognizer.verify_person(
                sample, person_id, fields.collection, face, options, timings, rotate=rotate
            )
        )
    else:
        a, b = choose_samples(images, fields, ("_a", "_b")).values()
        gallery = fields.gallery_of_templates()
        if gallery is not None:
            caller.require_collection(gallery)
        result = await ctx.run(
            lambda: recognizer.verify_pair(a, b, face, options, timings, gallery, rotate=rotate)
        )
    await record_decisions(request, ctx, verification_events(result))
    verified = schemas.Verified.of(result, active_model(ctx))
    ctx.metrics.count_decisions("verify", [verified.decision])
    return verified


@router.post(
    "/identify",
    responses=_GALLERY_ERRORS,
    openapi_extra=image_body(requests.IdentifyFields, IMAGE, ()),
)
async def identify(
    request: Request, ctx: Ctx, caller: CurrentCaller, timings: RequestTimings
) -> schemas.Identified:
    """Identify the people in an image (1:N): each face is a match, unknown or ambiguous.

    Without a face the list is empty. In place of the image, an embedding or the id of a template of
    the collection may be sent. The person of such a template is among the candidates.
    """
    fields, images = await read_images(request, requests.IdentifyFields, IMAGE)
    caller.require_collection(fields.collection)
    sample, order = choose_samples(images, fields, ("",))[""], fields.order()
    result = await ctx.run(lambda: ctx.services.recognizer.identify(sample, order, timings))
    if result.visitor_days is not None:
        identified = result
        result = await ctx.write(
            lambda: ctx.services.visitors.recognise(identified, order.collection)
        )
    await record_decisions(request, ctx, identification_events(result, order.collection))
    ctx.metrics.count_decisions("identify", (face.decision for face in result.faces))
    return schemas.Identified.of(result, active_model(ctx))


def active_model(ctx: Context) -> str:
    """The name of the active face model."""
    return ctx.services.embedder.space.name
