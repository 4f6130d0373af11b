"""Galleries and vocabularies as collections."""

from fastapi import APIRouter, Response

from app.api.deps import Ctx, Reader, Writer
from app.api.problems import describe
from app.api.schemas import persons as schemas
from app.errors import InvalidRequest, SpaceMismatch

router = APIRouter(prefix="/collections", tags=["collections"])


@router.get("", dependencies=[Reader], responses=describe())
async def list_collections(ctx: Ctx) -> schemas.CollectionList:
    """All collections, by name."""
    found = await ctx.run(ctx.services.galleries.collections)
    return schemas.CollectionList(collections=[schemas.Collection.of(c) for c in found])


@router.post("", status_code=201, dependencies=[Writer], responses=describe(409))
async def create_collection(ctx: Ctx, new: schemas.NewCollection) -> schemas.Collection:
    """An empty gallery of the running model."""
    if new.kind == "vocabulary":
        raise InvalidRequest("kind", "a vocabulary is made from its vectors, not empty")
    running = ctx.services.embedder.space.name
    if new.model not in (None, running):
        raise SpaceMismatch(f"the service runs the model {running}, not {new.model}")
    return schemas.Collection.of(await ctx.run(lambda: ctx.services.galleries.create(new.name)))


@router.get("/{name}", dependencies=[Reader], responses=describe(404))
async def get_collection(ctx: Ctx, name: str) -> schemas.Collection:
    """One collection, and how far it is on its way to another model."""
    galleries = ctx.services.galleries
    found = await ctx.run(lambda: galleries.collection(name))
    other = await ctx.run(lambda: galleries.counterpart(found))
    return schemas.Collection.of(
        found, schemas.Counterpart(model=other[0].space.name, missing=other[1]) if other else None
    )


@router.delete("/{name}", status_code=204, dependencies=[Writer], responses=describe(404))
async def delete_collection(ctx: Ctx, name: str) -> Response:
    """A collection with everything in it."""
    await ctx.run(lambda: ctx.services.galleries.delete_collection(name))
    return Response(status_code=204)
