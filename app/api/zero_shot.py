"""Zero-shot: score labels that nobody trained, for texts, words, vectors and faces."""

from fastapi import APIRouter, Request, Response

from app.api.deps import Context, Ctx, Reader, RequestTimings, Writer
from app.api.problems import describe
from app.api.schemas import zero_shot as schemas
from app.api.schemas.base import CollectionName
from app.api.uploads import decode_base64, image_body, read_images
from app.errors import InvalidRequest
from app.store.projections import StoredProjection
from app.timings import Timings
from app.vectors import Vector
from app.zero_shot.service import FACES, Answer, Question, Shown

router = APIRouter(prefix="/zero-shot", tags=["zero-shot"])

_IMAGE = ("image",)
_ERRORS = describe(400, 404, 409, 413, 415)


@router.post(
    "/score",
    dependencies=[Reader],
    responses=_ERRORS,
    openapi_extra=image_body(schemas.ScoreFields, _IMAGE, (), raw=False),
)
async def score(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Scored:
    """How well does each label fit a text, a word, a vector, or the face in a photo?"""
    fields, images = await read_images(request, schemas.ScoreFields, _IMAGE)
    image = images.get("image")
    given = (fields.text, fields.word, fields.vector, image)
    if sum(value is not None for value in given) != 1:
        raise InvalidRequest("text", "send one of text, word, vector and image")

    def work() -> Answer:
        face = None if image is None else _face(ctx, image, timings)
        vector = None if fields.vector is None else tuple(fields.vector)
        question = Question(fields.text, fields.word, vector, face)
        vocabulary = _vocabulary(ctx, fields.vocabulary)
        with timings.stage("score"):
            return ctx.services.zero_shot.score(
                question, fields.order(), vocabulary, fields.projection
            )

    return schemas.Scored.of(await ctx.run(work))


@router.post("/classify", dependencies=[Reader], responses=_ERRORS)
async def classify(
    ctx: Ctx,
    timings: RequestTimings,
    query: schemas.ClassifyRequest,
    vocabulary: CollectionName | None = None,
) -> list[schemas.Classified] | list[list[schemas.Classified]]:
    """In the shape of Hugging Face's inference API, so that its clients work unchanged."""
    texts = [query.inputs] if isinstance(query.inputs, str) else query.inputs
    order = query.parameters.order()
    name = _vocabulary(ctx, vocabulary)

    def work() -> list[list[schemas.Classified]]:
        with timings.stage("score"):
            answers = [
                ctx.services.zero_shot.score(Question(text), order, name, None) for text in texts
            ]
        return [schemas.classified(answer) for answer in answers]

    found = await ctx.run(work)
    return found[0] if isinstance(query.inputs, str) else found


@router.get("/projections", dependencies=[Reader], responses=describe())
async def list_projections(ctx: Ctx) -> schemas.ProjectionList:
    """All projections, by name."""
    return schemas.projections_out(await ctx.run(ctx.services.zero_shot.projections.all))


@router.post("/projections", status_code=201, dependencies=[Writer], responses=_ERRORS)
async def learn_projection(
    ctx: Ctx, timings: RequestTimings, new: schemas.NewProjection
) -> schemas.ProjectionOut:
    """Learn from examples with attribute words; labels that were not among them can be scored."""

    def work() -> StoredProjection:
        shown = [_shown(ctx, number, one, timings) for number, one in enumerate(new.examples)]
        with timings.stage("learn"):
            return ctx.services.zero_shot.learn(
                new.name,
                new.source or FACES,
                _vocabulary(ctx, new.vocabulary),
                new.collection,
                shown,
                new.regularisers(),
            )

    return schemas.ProjectionOut.of(await ctx.run(work))


@router.get("/projections/{name}", dependencies=[Reader], responses=_ERRORS)
async def get_projection(ctx: Ctx, name: str) -> schemas.ProjectionOut:
    """One projection."""
    found = await ctx.run(lambda: ctx.services.zero_shot.projections.get(name))
    return schemas.ProjectionOut.of(found)


@router.delete("/projections/{name}", status_code=204, dependencies=[Writer], responses=_ERRORS)
async def delete_projection(ctx: Ctx, name: str) -> Response:
    """Forget a projection."""
    await ctx.run(lambda: ctx.services.zero_shot.projections.remove(name))
    return Response(status_code=204)


def _vocabulary(ctx: Context, name: str | None) -> str:
    return name or ctx.services.settings.default_vocabulary


def _face(ctx: Context, image: bytes, timings: Timings) -> Vector:
    """The unit vector of the photo's subject. Raises NoFace."""
    pipeline = ctx.services.pipeline
    vector: Vector = pipeline.embed([pipeline.analyze(image, timings).subject()], timings)[0]
    return vector


def _shown(ctx: Context, number: int, sent: schemas.ExampleIn, timings: Timings) -> Shown:
    face = None
    if sent.image is not None:
        image = decode_base64(sent.image, f"examples.{number}.image")
        face = _face(ctx, image, timings)
    vector = None if sent.vector is None else tuple(sent.vector)
    return Shown(tuple(sent.attributes), sent.text, vector, face, sent.template_id)
