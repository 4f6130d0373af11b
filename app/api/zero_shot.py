"""Endpoints for zero-shot scoring of texts, words, vectors and faces, and for projections."""

from fastapi import APIRouter, Request, Response

from app.api.authorization import AuthorizedRoute, Reader, Writer
from app.api.deps import Context, Ctx, RequestTimings
from app.api.parameters import ProjectionPath
from app.api.problems import describe
from app.api.schemas import projections
from app.api.schemas import zero_shot as schemas
from app.api.schemas.base import VocabularyField
from app.api.uploads import image_body, read_images

router = APIRouter(route_class=AuthorizedRoute, prefix="/zero-shot", tags=["zero-shot"])

_IMAGE = ("image",)
_ERRORS = describe(400, 404, 409, 413, 415)


@router.post(
    "/score",
    dependencies=[Reader],
    responses=_ERRORS,
    openapi_extra=image_body(schemas.ScoreFields, _IMAGE, (), raw=False),
)
async def score_labels(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Scored:
    """Score labels for a text, a word, a vector, or the face in an image."""
    fields, images = await read_images(request, schemas.ScoreFields, _IMAGE)
    input_, task = fields.input(images.get("image")), fields.task()
    vocabulary = _vocabulary(ctx, fields.vocabulary)
    result = await ctx.run(
        lambda: ctx.services.zero_shot.score(input_, task, vocabulary, fields.projection, timings)
    )
    return schemas.Scored.of(result)


@router.post("/classify", dependencies=[Reader], responses=_ERRORS)
async def classify_texts(
    ctx: Ctx,
    timings: RequestTimings,
    query: schemas.ClassifyRequest,
    vocabulary: VocabularyField = None,
) -> list[schemas.Classified] | list[list[schemas.Classified]]:
    """Classify texts; compatible with Hugging Face's inference API."""
    texts = [query.inputs] if isinstance(query.inputs, str) else query.inputs
    task, name = query.parameters.task(), _vocabulary(ctx, vocabulary)
    found = await ctx.run(lambda: ctx.services.zero_shot.classify_texts(texts, task, name, timings))
    responses = [schemas.classified(classification) for classification in found]
    return responses[0] if isinstance(query.inputs, str) else responses


@router.get("/projections", dependencies=[Reader], responses=describe())
async def list_projections(ctx: Ctx) -> projections.ProjectionList:
    """List all projections, ordered by name."""
    return projections.ProjectionList.of(await ctx.run(ctx.services.zero_shot.projections.list_all))


@router.post("/projections", status_code=201, dependencies=[Writer], responses=_ERRORS)
async def learn_projection(
    ctx: Ctx, timings: RequestTimings, new: projections.NewProjection
) -> projections.ProjectionOut:
    """Fit a projection from examples with attributes; it can score labels without examples."""
    projection = new.projection(_vocabulary(ctx, None))

    def work() -> projections.ProjectionOut:
        examples = [example.example(number) for number, example in enumerate(new.examples)]
        return projections.ProjectionOut.of(
            ctx.services.zero_shot.fit_projection(projection, new.collection, examples, timings)
        )

    return await ctx.write(work)


@router.get("/projections/{name}", dependencies=[Reader], responses=_ERRORS)
async def get_projection(ctx: Ctx, name: ProjectionPath) -> projections.ProjectionOut:
    """Return one projection."""
    found = await ctx.run(lambda: ctx.services.zero_shot.projections.get(name))
    return projections.ProjectionOut.of(found)


@router.delete("/projections/{name}", status_code=204, dependencies=[Writer], responses=_ERRORS)
async def delete_projection(ctx: Ctx, name: ProjectionPath) -> Response:
    """Delete a projection."""
    await ctx.write(lambda: ctx.services.zero_shot.projections.delete(name))
    return Response(status_code=204)


def _vocabulary(ctx: Context, name: str | None) -> str:
    return name or ctx.services.settings.default_vocabulary
