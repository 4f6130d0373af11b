"""Endpoints that list, create, change and delete collections: galleries and vocabularies."""

from fastapi import APIRouter, Response

from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.deps import Ctx
from app.api.parameters import CollectionPath
from app.api.persons import RECEIPT
from app.api.problems import describe
from app.api.schemas import collection_requests as requests
from app.api.schemas import collections as schemas
from app.api.scopes import require_named

router = APIRouter(route_class=AuthorizedRoute, prefix="/collections", tags=["collections"])


@router.get("", responses=describe())
async def list_collections(ctx: Ctx, caller: CurrentCaller) -> schemas.CollectionList:
    """List the collections that the key may use, by name."""
    found = await ctx.run(ctx.services.galleries.collections)
    shown = [schemas.Collection.of(c) for c in found if caller.may_use(c.name, c.kind)]
    return schemas.CollectionList(collections=shown)


@router.post("", status_code=201, responses=describe(409))
async def create_collection(
    ctx: Ctx, caller: CurrentCaller, new: requests.NewCollection
) -> schemas.CollectionDetails:
    """Create an empty gallery of the active model."""
    caller.require_collection(new.name)
    galleries = ctx.services.galleries
    created = await ctx.write(
        lambda: galleries.create(new.name, new.kind, new.model, new.options(), new.visitor_days())
    )
    return schemas.CollectionDetails.of_state(created)


@router.get("/{name}", responses=describe(404))
async def get_collection(
    ctx: Ctx, caller: CurrentCaller, name: CollectionPath
) -> schemas.CollectionDetails:
    """Get one collection: its calibration in force, thresholds and expected refusals, and the
    progress of its migration to another model."""
    await require_named(ctx, caller, name)
    found = await ctx.run(lambda: ctx.services.galleries.collection(name))
    return schemas.CollectionDetails.of_state(found)


@router.patch("/{name}", responses=describe(404, 409))
async def change_collection(
    ctx: Ctx, caller: CurrentCaller, name: CollectionPath, changes: requests.OptionChanges
) -> schemas.CollectionDetails:
    """Change the decision options of a gallery. They apply to requests that start afterwards."""
    caller.require_collection(name)
    galleries = ctx.services.galleries
    changed = await ctx.write(lambda: galleries.change_options(name, changes.changes()))
    return schemas.CollectionDetails.of_state(changed)


@router.delete("/{name}", status_code=204, responses=describe(404))
async def delete_collection(ctx: Ctx, caller: CurrentCaller, name: CollectionPath) -> Response:
    """Delete a collection with its people or words.

    The header `Sima-Erasure` contains the id of the erasure receipt. The gallery `default` always
    exists: its people, options and calibration are deleted, and an empty one replaces it.
    """
    await require_named(ctx, caller, name)
    receipt = await ctx.write(lambda: ctx.services.galleries.delete_collection(name))
    return Response(status_code=204, headers={RECEIPT: receipt.id})
