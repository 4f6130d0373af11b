"""Endpoints that list, create, change and delete collections: galleries and vocabularies."""

from fastapi import APIRouter, Response

from app.api.authorization import AuthorizedRoute, Reader, Writer
from app.api.deps import Ctx
from app.api.parameters import CollectionPath
from app.api.persons import RECEIPT
from app.api.problems import describe
from app.api.schemas import collections as schemas

router = APIRouter(route_class=AuthorizedRoute, prefix="/collections", tags=["collections"])


@router.get("", dependencies=[Reader], responses=describe())
async def list_collections(ctx: Ctx) -> schemas.CollectionList:
    """List all collections by name."""
    found = await ctx.run(ctx.services.galleries.collections)
    return schemas.CollectionList(collections=[schemas.Collection.of(c) for c in found])


@router.post("", status_code=201, dependencies=[Writer], responses=describe(409))
async def create_collection(ctx: Ctx, new: schemas.NewCollection) -> schemas.CollectionDetails:
    """Create an empty gallery of the active model."""
    galleries = ctx.services.galleries
    created = await ctx.write(
        lambda: galleries.create(new.name, new.kind, new.model, new.options())
    )
    return schemas.CollectionDetails.of_state(created)


@router.get("/{name}", dependencies=[Reader], responses=describe(404))
async def get_collection(ctx: Ctx, name: CollectionPath) -> schemas.CollectionDetails:
    """Get one collection: its calibration in force, thresholds and expected refusals, and the
    progress of its migration to another model."""
    found = await ctx.run(lambda: ctx.services.galleries.collection(name))
    return schemas.CollectionDetails.of_state(found)


@router.patch("/{name}", dependencies=[Writer], responses=describe(404, 409))
async def change_collection(
    ctx: Ctx, name: CollectionPath, changes: schemas.OptionChanges
) -> schemas.CollectionDetails:
    """Change the decision options of a gallery. They apply to requests that start afterwards."""
    galleries = ctx.services.galleries
    changed = await ctx.write(lambda: galleries.change_options(name, changes.changes()))
    return schemas.CollectionDetails.of_state(changed)


@router.delete("/{name}", status_code=204, dependencies=[Writer], responses=describe(404))
async def delete_collection(ctx: Ctx, name: CollectionPath) -> Response:
    """Delete a collection with its people or words.

    The header `Sima-Erasure` contains the id of the erasure receipt. The gallery `default` always
    exists: its people, options and calibration are deleted, and an empty one replaces it.
    """
    receipt = await ctx.write(lambda: ctx.services.galleries.delete_collection(name))
    return Response(status_code=204, headers={RECEIPT: receipt.id})
