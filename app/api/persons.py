"""Endpoints for enrolled people, their photos and erasure receipts."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.api.access_log import note_collection
from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.cursors import decode_cursor, encode_cursor
from app.api.deps import Ctx
from app.api.parameters import ErasureId, PersonId, ReceiptLimit, TemplateId
from app.api.problems import describe
from app.api.schemas import persons as schemas
from app.api.schemas.administration import ErasureList
from app.api.scopes import require_person
from app.faces.pipeline.image_header import IMAGE_TYPES

router = APIRouter(route_class=AuthorizedRoute, prefix="/persons", tags=["persons"])
receipts = APIRouter(route_class=AuthorizedRoute, prefix="/erasures", tags=["persons"])

RECEIPT = "Sima-Erasure"
"""The response header with the id of the erasure receipt."""

_ERRORS = describe(404)


def _file(description: str, media_types: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """The responses of an endpoint that answers with a file."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = dict.fromkeys(media_types, binary)
    return {200: {"description": description, "content": content}, **_ERRORS}


_IMAGE_RESPONSES = _file("The image file.", IMAGE_TYPES)
_CROP_RESPONSES = _file("The crop.", ("image/jpeg",))


@router.get("", responses=_ERRORS)
async def list_persons(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    query: Annotated[schemas.PersonQuery, Query()],
) -> schemas.PersonPage:
    """List the people of a gallery in order of enrollment, page by page."""
    caller.require_collection(query.collection)
    note_collection(request, query.collection)
    after = decode_cursor(query.cursor)
    page = await ctx.run(
        lambda: ctx.services.galleries.page(query.collection, query.search(), after, query.limit)
    )
    return schemas.PersonPage(
        persons=[schemas.Person.of(person) for person in page.people],
        crops=page.crops,
        next_cursor=None if page.next_after is None else encode_cursor(page.next_after),
    )


@router.get("/{person_id}", responses=_ERRORS)
async def get_person(
    request: Request, ctx: Ctx, caller: CurrentCaller, person_id: PersonId
) -> schemas.Person:
    """Get one person."""
    await require_person(ctx, caller, person_id)
    person = await ctx.run(lambda: ctx.services.galleries.person(person_id))
    note_collection(request, person.collection)
    return schemas.Person.of(person)


@router.patch("/{person_id}", responses=describe(404, 409))
async def change_person(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    person_id: PersonId,
    changes: schemas.PersonChanges,
) -> schemas.Person:
    """Change the fields that are sent."""
    await require_person(ctx, caller, person_id)
    columns = changes.columns()
    changed = await ctx.write(lambda: ctx.services.galleries.change(person_id, columns))
    note_collection(request, changed.collection)
    return schemas.Person.of(changed)


@router.delete("/{person_id}", status_code=204, responses=_ERRORS)
async def delete_person(
    request: Request, ctx: Ctx, caller: CurrentCaller, person_id: PersonId
) -> Response:
    """Delete a person and all templates; searches that start after the response exclude them.

    The header `Sima-Erasure` contains the id of the erasure receipt.
    """
    await require_person(ctx, caller, person_id)
    receipt = await ctx.write(lambda: ctx.services.galleries.delete(person_id))
    note_collection(request, receipt.collection)
    return Response(status_code=204, headers={RECEIPT: receipt.id})


@router.get("/{person_id}/photos", responses=_ERRORS)
async def list_photos(ctx: Ctx, caller: CurrentCaller, person_id: PersonId) -> schemas.PhotoList:
    """List the templates of a person, oldest first."""
    await require_person(ctx, caller, person_id)
    found = await ctx.run(lambda: ctx.services.galleries.photos(person_id))
    return schemas.PhotoList(photos=[schemas.Photo.of(template) for template in found])


@router.delete(
    "/{person_id}/photos/{template_id}",
    status_code=204,
    responses=_ERRORS,
)
async def delete_photo(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    person_id: PersonId,
    template_id: TemplateId,
) -> Response:
    """Delete one template of a person, with its photo and crop."""
    await require_person(ctx, caller, person_id)
    receipt = await ctx.write(lambda: ctx.services.galleries.delete_photo(person_id, template_id))
    note_collection(request, receipt.collection)
    return Response(status_code=204, headers={RECEIPT: receipt.id})


@router.get(
    "/{person_id}/photos/{template_id}/image",
    responses=_IMAGE_RESPONSES,
    response_class=Response,
)
async def get_photo(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    person_id: PersonId,
    template_id: TemplateId,
) -> Response:
    """Get the stored photo as it was sent, if SIMA_STORE_PHOTOS is set and it has not expired."""
    await require_person(ctx, caller, person_id)
    image = await ctx.write(lambda: ctx.services.galleries.image("photo", person_id, template_id))
    note_collection(request, image.collection)
    return Response(image.content, media_type=image.media_type)


@router.get(
    "/{person_id}/photos/{template_id}/crop",
    responses=_CROP_RESPONSES,
    response_class=Response,
)
async def get_crop(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    person_id: PersonId,
    template_id: TemplateId,
) -> Response:
    """Get the face of a template, aligned, as a JPEG of 112 x 112 pixels, if SIMA_STORE_CROPS was
    set at its enrollment and it has not expired."""
    await require_person(ctx, caller, person_id)
    crop = await ctx.write(lambda: ctx.services.galleries.image("crop", person_id, template_id))
    note_collection(request, crop.collection)
    return Response(crop.content, media_type=crop.media_type)


@receipts.get("", responses=describe())
async def list_erasures(ctx: Ctx, caller: CurrentCaller, limit: ReceiptLimit = 50) -> ErasureList:
    """List the latest erasure receipts of what the key may use, newest first."""
    names = caller.listed_names()
    found = await ctx.run(lambda: ctx.services.galleries.erasures(limit, names))
    return ErasureList(erasures=[schemas.ErasureReceipt.of(one) for one in found])


@receipts.get("/{erasure_id}", responses=_ERRORS)
async def get_erasure(
    ctx: Ctx, caller: CurrentCaller, erasure_id: ErasureId
) -> schemas.ErasureReceipt:
    """Get an erasure receipt; `Sima-Erasure` in the response to the deletion contains its id."""
    found = await ctx.run(lambda: ctx.services.galleries.erasure(erasure_id))
    caller.require_name(found.collection, kind=None)
    return schemas.ErasureReceipt.of(found)
