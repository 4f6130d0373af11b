"""Endpoints that move templates to another person, and merge two people."""

from fastapi import APIRouter, Request, Response

from app.api.access_log import note_collection
from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.deps import Ctx
from app.api.parameters import PersonId, TemplateId
from app.api.persons import RECEIPT
from app.api.problems import describe
from app.api.schemas import reassignment as schemas
from app.api.schemas.persons import Person
from app.api.scopes import require_person

router = APIRouter(route_class=AuthorizedRoute, prefix="/persons", tags=["persons"])


@router.patch("/{person_id}/photos/{template_id}", responses=describe(404, 409))
async def move_photo(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    person_id: PersonId,
    template_id: TemplateId,
    move: schemas.PhotoMove,
) -> schemas.MovedPhoto:
    """Move a template, with its photo, to another person of the collection or to a new one.

    The template must match the other person, unless `on_mismatch` is `allow`. The person who had it
    remains, also without templates; move it back to undo.
    """
    await require_person(ctx, caller, person_id)
    order = move.order(person_id, template_id)
    person = await ctx.write(lambda: ctx.services.reassigner.move(order))
    note_collection(request, person.collection)
    return schemas.MovedPhoto(template_id=template_id, person=Person.of(person))


@router.post("/{person_id}/merge", responses=describe(404, 409))
async def merge_person(
    request: Request,
    response: Response,
    ctx: Ctx,
    caller: CurrentCaller,
    person_id: PersonId,
    merge: schemas.PersonMerge,
) -> schemas.MergedPerson:
    """Move all templates to the person `into`, whose name and other fields remain, and delete the
    person without templates.

    One template must match the other person, unless `on_mismatch` is `allow`. The header
    `Sima-Erasure` contains the id of the erasure receipt.
    """
    await require_person(ctx, caller, person_id)
    allowed = merge.on_mismatch == "allow"
    merged = await ctx.write(lambda: ctx.services.reassigner.merge(person_id, merge.into, allowed))
    note_collection(request, merged.person.collection)
    response.headers[RECEIPT] = merged.receipt.id
    return schemas.MergedPerson.of_merge(merged)
