"""Endpoints for visitors: unknown faces that are recognised again."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.access_log import note_collection
from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.cursors import decode_cursor, encode_cursor
from app.api.deps import Ctx
from app.api.parameters import CollectionPath, VisitorId
from app.api.persons import RECEIPT
from app.api.problems import describe
from app.api.schemas import visitors as schemas
from app.api.schemas.persons import Person

router = APIRouter(
    route_class=AuthorizedRoute, prefix="/collections/{name}/visitors", tags=["collections"]
)


@router.get("", responses=describe(404))
async def list_visitors(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    name: CollectionPath,
    query: Annotated[schemas.VisitorQuery, Query()],
) -> schemas.VisitorPage:
    """List the visitors of a gallery in the order of their first visit, page by page."""
    caller.require_collection(name)
    note_collection(request, name)
    after = decode_cursor(query.cursor)
    page = await ctx.run(lambda: ctx.services.visitors.page(name, after, query.limit))
    return schemas.VisitorPage(
        visitors=[schemas.Visitor.of(visitor) for visitor in page.visitors],
        next_cursor=None if page.next_after is None else encode_cursor(page.next_after),
    )


@router.post("/{visitor_id}/promote", status_code=201, responses=describe(404, 409))
async def promote_visitor(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    name: CollectionPath,
    visitor_id: VisitorId,
    new: schemas.VisitorPromotion,
) -> Person:
    """Make a visitor a person of the gallery by a name. The person's id is that of the visitor."""
    caller.require_collection(name)
    note_collection(request, name)
    person = await ctx.write(lambda: ctx.services.visitors.promote(name, visitor_id, new.person()))
    return Person.of(person)


@router.delete("/{visitor_id}", status_code=204, responses=describe(404))
async def delete_visitor(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    name: CollectionPath,
    visitor_id: VisitorId,
) -> Response:
    """Delete a visitor. The header `Sima-Erasure` contains the id of the erasure receipt."""
    caller.require_collection(name)
    note_collection(request, name)
    receipt = await ctx.write(lambda: ctx.services.visitors.delete(name, visitor_id))
    return Response(status_code=204, headers={RECEIPT: receipt.id})
