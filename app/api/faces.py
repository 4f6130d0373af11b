"""Endpoints that detect, embed, verify and identify faces."""

from fastapi import APIRouter, Request

from app.api.authorization import AuthorizedRoute, Reader
from app.api.deps import Context, Ctx, RequestTimings
from app.api.problems import describe
from app.api.schemas import faces as schemas
from app.api.uploads import image_body, one_image_body, read_image, read_images, require_image
from app.errors import InvalidRequest

router = APIRouter(route_class=AuthorizedRoute, tags=["faces"])

_VERIFY_IMAGES = ("image", "image_a", "image_b")
_IMAGE_ERRORS = describe(400, 413, 415)
_GALLERY_ERRORS = describe(400, 404, 409, 413, 415)


@router.post(
    "/detect",
    dependencies=[Reader],
    responses=_IMAGE_ERRORS,
    openapi_extra=one_image_body(schemas.NoFields),
)
async def detect(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Detected:
    """Detect every face of an image. Without a face the list is empty."""
    _, image = await read_image(request, schemas.NoFields)
    analysis = await ctx.run(lambda: ctx.services.pipeline.analyze(image, timings))
    faces = [schemas.Face.of(face) for face in analysis.faces]
    return schemas.Detected(faces=faces, width=analysis.width, height=analysis.height)


@router.post(
    "/embed",
    dependencies=[Reader],
    responses=_IMAGE_ERRORS,
    openapi_extra=one_image_body(schemas.EmbedFields),
)
async def embed(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Embedded:
    """Embed the largest face of an image, its subject, or all. Without a face the list is empty."""
    fields, image = await read_image(request, schemas.EmbedFields)
    found = await ctx.run(lambda: ctx.services.recognizer.embed(image, fields.faces, timings))
    return schemas.Embedded.of(found, active_model(ctx))


@router.post(
    "/verify",
    dependencies=[Reader],
    responses=_GALLERY_ERRORS,
    openapi_extra=image_body(schemas.VerifyFields, _VERIFY_IMAGES, ()),
)
async def verify(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Verified:
    """Verify 1:1 whether two images show one person, or one image shows an enrolled person."""
    fields, images = await read_images(request, schemas.VerifyFields, _VERIFY_IMAGES)
    recognizer = ctx.services.recognizer
    if fields.person_id is not None:
        image, person_id = require_image(images, "image"), fields.person_id
        _reject_other_images(images, {"image"})
        result = await ctx.run(
            lambda: recognizer.verify_person(
                image,
                person_id,
                fields.collection,
                fields.face,
                fields.options(),
                timings,
            )
        )
    else:
        _reject_other_images(images, {"image_a", "image_b"})
        a, b = require_image(images, "image_a"), require_image(images, "image_b")
        result = await ctx.run(
            lambda: recognizer.verify_photos(a, b, fields.face, fields.options(), timings)
        )
    return schemas.Verified.of(result, active_model(ctx))


@router.post(
    "/identify",
    dependencies=[Reader],
    responses=_GALLERY_ERRORS,
    openapi_extra=one_image_body(schemas.IdentifyFields),
)
async def identify(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Identified:
    """Identify the people in an image (1:N): each face is a match, unknown or ambiguous.

    Without a face the list is empty.
    """
    fields, image = await read_image(request, schemas.IdentifyFields)
    order = fields.order()
    result = await ctx.run(lambda: ctx.services.recognizer.identify(image, order, timings))
    return schemas.Identified.of(result, active_model(ctx))


def active_model(ctx: Context) -> str:
    """The name of the active face model."""
    return ctx.services.embedder.space.name


def _reject_other_images(images: dict[str, bytes], allowed: set[str]) -> None:
    for name in images.keys() - allowed:
        raise InvalidRequest(
            name,
            "the combination of images is not allowed; "
            "send image and person_id, or image_a and image_b",
        )
