"""detect, embed, enroll, verify, identify."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel

from app.api import face_schemas as schemas
from app.api.deps import Clock, Context, Ctx, Reader, Writer
from app.api.intake import photo_body, read_photos
from app.api.person_schemas import Person
from app.api.problems import describe
from app.errors import InvalidRequest
from app.faces.enrollment import Enrollment, EnrollOrder
from app.faces.recognition import Identification, IdentifiedFace, Verification
from app.vectors import similarity_to_distance

router = APIRouter(tags=["faces"])

_ONE = ("image",)
_PHOTO_ERRORS = describe(400, 413, 415)
_GALLERY_ERRORS = describe(400, 404, 409, 413, 415)


def _one_photo(schema: type[BaseModel]) -> dict[str, Any]:
    """The body of a call that takes one photo."""
    return photo_body(schema, _ONE, _ONE)


@router.post(
    "/detect",
    dependencies=[Reader],
    responses=_PHOTO_ERRORS,
    openapi_extra=_one_photo(schemas.NoFields),
)
async def detect(request: Request, ctx: Ctx, clock: Clock) -> schemas.Detected:
    """Every face in a photo; none is an empty list, not an error."""
    _, images = await read_photos(request, schemas.NoFields, _ONE)
    image = _need(images, "image")
    scene = await ctx.run(lambda: ctx.services.pipeline.look(image, clock))
    faces = [schemas.Face.of(sighting.face) for sighting in scene.sightings]
    return schemas.Detected(faces=faces, width=scene.width, height=scene.height)


@router.post(
    "/embed",
    dependencies=[Reader],
    responses=_PHOTO_ERRORS,
    openapi_extra=_one_photo(schemas.EmbedFields),
)
async def embed(request: Request, ctx: Ctx, clock: Clock) -> schemas.Embedded:
    """The unit vector of the largest face, or of all. No face is an empty list."""
    fields, images = await read_photos(request, schemas.EmbedFields, _ONE)
    image = _need(images, "image")

    def work() -> schemas.Embedded:
        pipeline = ctx.services.pipeline
        seen = pipeline.look(image, clock).sightings
        chosen = seen[:1] if fields.faces == "largest" else seen
        vectors = pipeline.embed(chosen, clock)
        return schemas.Embedded(
            faces=[
                schemas.EmbeddedFace(face=schemas.Face.of(s.face), embedding=row.tolist())
                for s, row in zip(chosen, vectors, strict=True)
            ],
            model=_model(ctx),
        )

    return await ctx.run(work)


@router.post(
    "/enroll",
    status_code=201,
    dependencies=[Writer],
    responses={
        200: {"model": schemas.Enrolled, "description": "What a dry run would have stored"},
        **_GALLERY_ERRORS,
    },
    openapi_extra=_one_photo(schemas.EnrollFields),
)
async def enroll(
    request: Request,
    response: Response,
    ctx: Ctx,
    clock: Clock,
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
) -> schemas.Enrolled:
    """Learn a person from one photo, or add a photo to a known person.

    A request that is sent again with its `Idempotency-Key` within a day is answered like the first
    time, with `Idempotent-Replayed: true`, and stores nothing.
    """
    fields, images = await read_photos(request, schemas.EnrollFields, _ONE)
    image = _need(images, "image")
    order = order_of(fields, key or None)
    done = await ctx.run(lambda: ctx.services.enroller.enroll(image, order, clock))
    if fields.dry_run:
        response.status_code = 200
    if done.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return enrolled_answer(done, fields.collection, _model(ctx))


def order_of(fields: schemas.EnrollFields, key: str | None) -> EnrollOrder:
    """What the fields of a request ask for."""
    return EnrollOrder(
        name=fields.name,
        collection=fields.collection,
        person_id=fields.person_id,
        external_id=fields.external_id,
        metadata=fields.metadata,
        face=fields.face,
        allow_duplicate=fields.on_duplicate == "allow",
        dry_run=fields.dry_run,
        key=key,
    )


@router.post(
    "/verify",
    dependencies=[Reader],
    responses=_GALLERY_ERRORS,
    openapi_extra=photo_body(schemas.VerifyFields, ("image", "image_a", "image_b"), ()),
)
async def verify(request: Request, ctx: Ctx, clock: Clock) -> schemas.Verified:
    """Do two photos show one person, or does one photo show an enrolled person?"""
    fields, images = await read_photos(
        request, schemas.VerifyFields, ("image", "image_a", "image_b")
    )
    recognizer = ctx.services.recognizer
    if fields.person_id is not None:
        image, person_id = _need(images, "image"), fields.person_id
        if len(images) > 1:
            raise InvalidRequest("image_a", "send image and person_id, or image_a and image_b")
        result = await ctx.run(
            lambda: recognizer.verify_person(
                image, person_id, fields.collection, fields.target_fmr, clock
            )
        )
    else:
        if "image" in images:
            raise InvalidRequest("image", "send image and person_id, or image_a and image_b")
        a, b = _need(images, "image_a"), _need(images, "image_b")
        result = await ctx.run(lambda: recognizer.verify_photos(a, b, fields.target_fmr, clock))
    return _verified(result, fields.target_fmr, _model(ctx))


@router.post(
    "/identify",
    dependencies=[Reader],
    responses=_GALLERY_ERRORS,
    openapi_extra=_one_photo(schemas.IdentifyFields),
)
async def identify(request: Request, ctx: Ctx, clock: Clock) -> schemas.Identified:
    """Who are the people in the photo? An answer may be *unknown*, or *ambiguous*."""
    fields, images = await read_photos(request, schemas.IdentifyFields, _ONE)
    image = _need(images, "image")
    result = await ctx.run(
        lambda: ctx.services.recognizer.identify(
            image,
            fields.collection,
            fields.top_k,
            fields.target_fpir,
            fields.faces == "largest",
            clock,
        )
    )
    return _identified(result, fields.target_fpir, _model(ctx))


def _need(images: dict[str, bytes], name: str) -> bytes:
    if name not in images:
        raise InvalidRequest(name, "a photo is required here")
    return images[name]


def _model(ctx: Context) -> str:
    return ctx.services.embedder.space.name


def enrolled_answer(done: Enrollment, collection: str, model: str) -> schemas.Enrolled:
    """The answer to one enrollment."""
    return schemas.Enrolled(
        person_id=done.person.person_id if done.person else None,
        name=done.name,
        collection=collection,
        template_id=done.template.template_id if done.template else None,
        face=schemas.Face.of(done.face),
        model=model,
        created_at=done.template.created_at if done.template else None,
    )


def _verified(result: Verification, target_fmr: float, model: str) -> schemas.Verified:
    pair = schemas.FacePair(a=schemas.Face.of(result.face_a))
    if result.face_b is not None:
        pair.b = schemas.Face.of(result.face_b)
    return schemas.Verified(
        verified=result.verified,
        decision="match" if result.verified else "no_match",
        similarity=result.similarity,
        distance=similarity_to_distance(result.similarity),
        threshold=result.threshold,
        target_fmr=target_fmr,
        estimated_fmr=result.estimated_fmr,
        faces=pair,
        person=Person.of(result.person) if result.person else None,
        model=model,
    )


def _identified(result: Identification, target_fpir: float, model: str) -> schemas.Identified:
    return schemas.Identified(
        faces=[_identified_face(face) for face in result.faces],
        gallery_size=result.gallery_size,
        threshold=result.threshold,
        target_fpir=target_fpir,
        model=model,
    )


def _identified_face(found: IdentifiedFace) -> schemas.IdentifiedFace:
    return schemas.IdentifiedFace(
        face=schemas.Face.of(found.face),
        decision=found.decision,
        person=Person.of(found.person) if found.person else None,
        candidates=[
            schemas.Candidate(
                person_id=str(entry.public_id),
                name=entry.name,
                similarity=min(entry.similarity, 1.0),
                distance=similarity_to_distance(min(entry.similarity, 1.0)),
                template_id=str(entry.template_id),
            )
            for entry in found.candidates
        ],
    )
