"""The endpoint that lists people who may be one person enrolled twice."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.api.access_log import note_collection
from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.cursors import decode_cursor
from app.api.deps import Ctx
from app.api.parameters import CollectionPath
from app.api.problems import describe
from app.api.schemas import duplicates as schemas

router = APIRouter(route_class=AuthorizedRoute, tags=["collections"])


@router.get("/collections/{name}/duplicates", responses=describe(404, 409))
async def list_duplicates(
    request: Request,
    ctx: Ctx,
    caller: CurrentCaller,
    name: CollectionPath,
    query: Annotated[schemas.DuplicateQuery, Query()],
) -> schemas.DuplicatePage:
    """Compare the people of a gallery with each other, page by page, and list likely duplicates.

    Merge a pair that is one person (`POST /persons/{person_id}/merge`). Of a pair that is not,
    record each one's template as not the other (`POST /persons/{person_id}/not-this`); the pair is
    not listed again.
    """
    caller.require_collection(name)
    note_collection(request, name)
    after = decode_cursor(query.cursor)
    finder = ctx.services.duplicates
    page = await ctx.run(lambda: finder.page(name, after, query.limit, query.target_fpir))
    return schemas.DuplicatePage.of(page)
