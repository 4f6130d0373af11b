"""Endpoints for the examples of subjects: the templates of a gallery."""

from fastapi import Request, Response

from app.api.deps import Context, Ctx, RequestTimings
from app.api.uploads import read_images, require_image
from app.compat.compreface.answers import Deleted, Example, Examples, reply
from app.compat.compreface.requests import (
    ExampleFields,
    ImageIds,
    PageFields,
    body_of,
    query_of,
)
from app.compat.compreface.route import collection_of, new_router
from app.compat.ids import template_id_of
from app.errors import PersonNotFound, PhotoNotFound
from app.faces.enrollment import EnrollOrder
from app.store.named_people import OwnedTemplate

router = new_router()

FILE = ("file",)
"""The image field of requests with one image."""


@router.post("/recognition/faces")
async def add_example(request: Request, ctx: Ctx, timings: RequestTimings) -> Response:
    """Add the only face of an image to a subject, which is created if it is missing."""
    collection, enroller = collection_of(request), ctx.services.enroller
    fields, images = await read_images(request, ExampleFields, FILE)
    image, accepted = require_image(images, "file"), fields.accepted()
    order = _order(fields.subject, collection)
    photo = await ctx.run(lambda: enroller.examine(image, order, timings, accepted))
    added = await ctx.write(lambda: enroller.add(photo, order, timings))
    ctx.metrics.count_decisions("enroll", ["enrolled"])
    assert added.template is not None, "it was not a dry run"
    return reply(Example.of(OwnedTemplate(added.template.template_id, added.name)), 201)


@router.get("/recognition/faces")
async def list_examples(request: Request, ctx: Ctx) -> Response:
    """List the examples, page by page."""
    collection, named_people = collection_of(request), ctx.services.named_people
    fields = query_of(request, PageFields)
    size = fields.limit()
    page = await ctx.run(
        lambda: named_people.templates(collection, fields.subject or None, fields.page * size, size)
    )
    return reply(Examples.of(page, fields.page, size))


@router.delete("/recognition/faces")
async def delete_examples(request: Request, ctx: Ctx) -> Response:
    """Delete a subject with its faces, or all subjects if none is named."""
    collection = collection_of(request)
    name = request.query_params.get("subject")
    return reply(Deleted(deleted=await ctx.write(lambda: _delete(ctx, collection, name))))


@router.post("/recognition/faces/delete")
async def delete_several_examples(request: Request, ctx: Ctx) -> Response:
    """Delete examples; unknown ids are ignored."""
    collection, named_people = collection_of(request), ctx.services.named_people
    template_ids = [template_id_of(one) for one in await body_of(request, ImageIds)]
    deleted = await ctx.write(lambda: named_people.delete_templates(collection, template_ids))
    items = ",".join(Example.of(one).model_dump_json() for one in deleted)
    return Response(f"[{items}]", media_type="application/json")


@router.delete("/recognition/faces/{image_id}")
async def delete_example(request: Request, ctx: Ctx, image_id: str) -> Response:
    """Delete an example; its subject remains."""
    collection, named_people = collection_of(request), ctx.services.named_people
    template_id = template_id_of(image_id)
    deleted = await ctx.write(lambda: named_people.delete_templates(collection, [template_id]))
    if not deleted:
        raise PhotoNotFound("the collection has no face with this image_id")
    return reply(Example.of(deleted[0]))


@router.get("/recognition/faces/{image_id}/img")
async def get_example_image(request: Request, ctx: Ctx, image_id: str) -> Response:
    """Get the stored photo of an example as it was sent."""
    return await _image(request, ctx, image_id)


@router.get("/static/{key}/images/{image_id}")
async def get_image(request: Request, ctx: Ctx, image_id: str) -> Response:
    """Get the stored photo of an example, with the API key in the path."""
    return await _image(request, ctx, image_id)


async def _image(request: Request, ctx: Context, image_id: str) -> Response:
    collection, services = collection_of(request), ctx.services
    template_id = template_id_of(image_id)
    owner = await ctx.run(lambda: services.named_people.owner(collection, template_id))
    image = await ctx.write(lambda: services.galleries.image("photo", owner.person_id, template_id))
    return Response(image.content, media_type=image.media_type)


def _delete(ctx: Context, collection: str, name: str | None) -> int:
    """Returns the number of deleted templates."""
    if not name:
        _, templates = ctx.services.named_people.delete_all(collection)
        return templates
    try:
        return ctx.services.named_people.delete(collection, name)
    except PersonNotFound:
        return 0


def _order(subject: str, collection: str) -> EnrollOrder:
    """CompreFace refuses no face for its quality, so the quality is only recorded."""
    return EnrollOrder(
        name=subject,
        collection=collection,
        person_id=None,
        external_id=None,
        metadata={},
        face="only",
        allow_duplicate=False,
        allow_mismatch=False,
        dry_run=False,
        allow_poor_quality=True,
        by_name=True,
    )
