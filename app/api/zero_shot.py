"""Endpoints for zero-shot scoring of texts, words, vectors and faces, and for projections."""

from fastapi import APIRouter, Request, Response

from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.callers import Caller
from app.api.deps import Context, Ctx, RequestTimings
from app.api.parameters import ProjectionPath
from app.api.problems import describe
from app.api.schemas import projections
from app.api.schemas import zero_shot as schemas
from app.api.schemas.base import VocabularyField
from app.api.uploads import image_body, read_images
from app.store.db.tables import VOCABULARY
from app.zero_shot.service import FACES

router = APIRouter(route_class=AuthorizedRoute, prefix="/zero-shot", tags=["zero-shot"])

_IMAGE = ("image",)
_ERRORS = describe(400, 404, 409, 413, 415)


@router.post(
    "/score",
    responses=_ERRORS,
    openapi_extra=image_body(schemas.ScoreFields, _IMAGE, (), raw=False),
)
async def score_labels(
    request: Request, ctx: Ctx, caller: CurrentCaller, timings: RequestTimings
) -> schemas.Scored:
    """Score labels for a text, a word, a vector, or the face in an image."""
    fields, images = await read_images(request, schemas.ScoreFields, _IMAGE)
    input_, task = fields.input(images.get("image")), fields.task()
    vocabulary = _vocabulary(ctx, caller, fields.vocabulary)
    if fields.projection is not None:
        await _require_projection(ctx, caller, fields.projection)
    result = await ctx.run(
        lambda: ctx.services.zero_shot.score(input_, task, vocabulary, fields.projection, timings)
    )
    return schemas.Scored.of(result)


@router.post("/classify", responses=_ERRORS)
async def classify_texts(
    ctx: Ctx,
    caller: CurrentCaller,
    timings: RequestTimings,
    query: schemas.ClassifyRequest,
    vocabulary: VocabularyField = None,
) -> list[schemas.Classified] | list[list[schemas.Classified]]:
    """Classify texts; compatible with Hugging Face's inference API."""
    texts = [query.inputs] if isinstance(query.inputs, str) else query.inputs
    task, name = query.parameters.task(), _vocabulary(ctx, caller, vocabulary)
    found = await ctx.run(lambda: ctx.services.zero_shot.classify_texts(texts, task, name, timings))
    responses = [schemas.classified(classification) for classification in found]
    return responses[0] if isinstance(query.inputs, str) else responses


@router.get("/projections", responses=describe())
async def list_projections(ctx: Ctx, caller: CurrentCaller) -> projections.ProjectionList:
    """List the projections to vocabularies that the key may use, ordered by name."""
    found = await ctx.run(ctx.services.zero_shot.projections.list_all)
    return projections.ProjectionList.of(
        [one for one in found if caller.may_use(one.vocabulary, VOCABULARY)]
    )


@router.post("/projections", status_code=201, responses=_ERRORS)
async def learn_projection(
    ctx: Ctx, caller: CurrentCaller, timings: RequestTimings, new: projections.NewProjection
) -> projections.ProjectionOut:
    """Fit a projection from examples with attributes; it can score labels without examples."""
    caller.require_collection(new.collection)
    if new.source not in (None, FACES):
        caller.require_vocabulary(new.source)
    projection = new.projection(_vocabulary(ctx, caller, new.vocabulary))

    def work() -> projections.ProjectionOut:
        examples = [example.example(number) for number, example in enumerate(new.examples)]
        return projections.ProjectionOut.of(
            ctx.services.zero_shot.fit_projection(projection, new.collection, examples, timings)
        )

    return await ctx.write(work)


@router.get("/projections/{name}", responses=_ERRORS)
async def get_projection(
    ctx: Ctx, caller: CurrentCaller, name: ProjectionPath
) -> projections.ProjectionOut:
    """Return one projection."""
    await _require_projection(ctx, caller, name)
    found = await ctx.run(lambda: ctx.services.zero_shot.projections.get(name))
    return projections.ProjectionOut.of(found)


@router.delete("/projections/{name}", status_code=204, responses=_ERRORS)
async def delete_projection(ctx: Ctx, caller: CurrentCaller, name: ProjectionPath) -> Response:
    """Delete a projection."""
    await _require_projection(ctx, caller, name)
    await ctx.write(lambda: ctx.services.zero_shot.projections.delete(name))
    return Response(status_code=204)


def _vocabulary(ctx: Context, caller: Caller, name: str | None) -> str:
    """The vocabulary of a request. Raises OutOfScope."""
    name = name or ctx.services.settings.default_vocabulary
    caller.require_vocabulary(name)
    return name


async def _require_projection(ctx: Context, caller: Caller, name: str) -> None:
    """Raises OutOfScope unless the key may use the projection's vocabulary, ProjectionNotFound."""
    if caller.vocabularies is not None:
        found = await ctx.run(lambda: ctx.services.zero_shot.projections.get(name))
        caller.require_vocabulary(found.vocabulary)
