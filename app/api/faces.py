"""Endpoints that detect, embed, verify and identify faces."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.api.deps import Context, Ctx, Reader, RequestTimings
from app.api.problems import describe
from app.api.schemas import faces as schemas
from app.api.schemas.persons import Person
from app.api.uploads import photo_body, read_photos
from app.errors import InvalidRequest
from app.faces.recognition import Identification, IdentifiedFace, Verification
from app.vectors import similarity_to_distance

router = APIRouter(tags=["faces"])

ONE_PHOTO = ("image",)
_PHOTO_ERRORS = describe(400, 413, 415)
GALLERY_ERRORS = describe(400, 404, 409, 413, 415)


def one_photo(schema: type[BaseModel]) -> dict[str, Any]:
    """The body of a call that takes one photo."""
    return photo_body(schema, ONE_PHOTO, ONE_PHOTO)


@router.post(
    "/detect",
    dependencies=[Reader],
    responses=_PHOTO_ERRORS,
    openapi_extra=one_photo(schemas.NoFields),
)
async def detect(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Detected:
    """Every face in a photo; none is an empty list, not an error."""
    _, images = await read_photos(request, schemas.NoFields, ONE_PHOTO)
    image = require_image(images, "image")
    analysis = await ctx.run(lambda: ctx.services.pipeline.analyze(image, timings))
    faces = [schemas.Face.of(face) for face in analysis.faces]
    return schemas.Detected(faces=faces, width=analysis.width, height=analysis.height)


@router.post(
    "/embed",
    dependencies=[Reader],
    responses=_PHOTO_ERRORS,
    openapi_extra=one_photo(schemas.EmbedFields),
)
async def embed(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Embedded:
    """The unit vector of the largest face, or of all. No face is an empty list."""
    fields, images = await read_photos(request, schemas.EmbedFields, ONE_PHOTO)
    image = require_image(images, "image")

    def work() -> schemas.Embedded:
        pipeline = ctx.services.pipeline
        found = pipeline.analyze(image, timings).faces
        chosen = found[:1] if fields.faces == "largest" else found
        vectors = pipeline.embed(chosen, timings)
        return schemas.Embedded(
            faces=[
                schemas.EmbeddedFace(face=schemas.Face.of(face), embedding=row.tolist())
                for face, row in zip(chosen, vectors, strict=True)
            ],
            model=model_name(ctx),
        )

    return await ctx.run(work)


@router.post(
    "/verify",
    dependencies=[Reader],
    responses=GALLERY_ERRORS,
    openapi_extra=photo_body(schemas.VerifyFields, ("image", "image_a", "image_b"), ()),
)
async def verify(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Verified:
    """Do two photos show one person, or does one photo show an enrolled person?"""
    fields, images = await read_photos(
        request, schemas.VerifyFields, ("image", "image_a", "image_b")
    )
    recognizer = ctx.services.recognizer
    if fields.person_id is not None:
        image, person_id = require_image(images, "image"), fields.person_id
        if len(images) > 1:
            raise InvalidRequest("image_a", "send image and person_id, or image_a and image_b")
        result = await ctx.run(
            lambda: recognizer.verify_person(
                image, person_id, fields.collection, fields.target_fmr, timings
            )
        )
    else:
        if "image" in images:
            raise InvalidRequest("image", "send image and person_id, or image_a and image_b")
        a, b = require_image(images, "image_a"), require_image(images, "image_b")
        result = await ctx.run(lambda: recognizer.verify_photos(a, b, fields.target_fmr, timings))
    return _verified(result, fields.target_fmr, model_name(ctx))


@router.post(
    "/identify",
    dependencies=[Reader],
    responses=GALLERY_ERRORS,
    openapi_extra=one_photo(schemas.IdentifyFields),
)
async def identify(request: Request, ctx: Ctx, timings: RequestTimings) -> schemas.Identified:
    """Who are the people in the photo? An answer may be *unknown*, or *ambiguous*."""
    fields, images = await read_photos(request, schemas.IdentifyFields, ONE_PHOTO)
    image = require_image(images, "image")
    result = await ctx.run(
        lambda: ctx.services.recognizer.identify(
            image,
            fields.collection,
            fields.top_k,
            fields.target_fpir,
            fields.faces == "largest",
            timings,
        )
    )
    return _identified(result, fields.target_fpir, model_name(ctx))


def require_image(images: dict[str, bytes], name: str) -> bytes:
    if name not in images:
        raise InvalidRequest(name, "a photo is required here")
    return images[name]


def model_name(ctx: Context) -> str:
    return ctx.services.embedder.space.name


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
