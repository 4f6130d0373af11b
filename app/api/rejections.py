"""Endpoints for faces that are not a person."""

from fastapi import APIRouter, Request, Response

from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.deps import Ctx, RequestTimings
from app.api.parameters import PersonId, RejectionId
from app.api.problems import describe
from app.api.samples import choose_samples
from app.api.schemas import rejections as schemas
from app.api.schemas.detections import Face
from app.api.scopes import require_person
from app.api.uploads import IMAGE, image_body, read_images

router = APIRouter(
    route_class=AuthorizedRoute, prefix="/persons/{person_id}/not-this", tags=["persons"]
)


@router.post(
    "",
    status_code=201,
    responses=describe(400, 404, 409, 413, 415),
    openapi_extra=image_body(schemas.RejectionFields, IMAGE, ()),
)
async def reject_face(
    request: Request, ctx: Ctx, caller: CurrentCaller, timings: RequestTimings, person_id: PersonId
) -> schemas.CreatedRejection:
    """Record that a face is not this person: a photo, an embedding, or somebody else's template.

    Faces that are nearer to it than to the person's own templates are no longer a match with the
    person, in /identify, /verify and the checks of /enroll.
    """
    fields, images = await read_images(request, schemas.RejectionFields, IMAGE)
    await require_person(ctx, caller, person_id)
    sample, rejecter = choose_samples(images, fields, ("",))[""], ctx.services.rejecter
    turn = fields.rotate == "auto"
    rejected = await ctx.run(
        lambda: rejecter.examine(person_id, sample, fields.face, timings, turn)
    )
    stored = await ctx.write(lambda: rejecter.reject(rejected))
    return schemas.CreatedRejection(
        **schemas.Rejection.of(stored).model_dump(),
        face=Face.of(rejected.face) if rejected.face else None,
    )


@router.get("", responses=describe(404))
async def list_rejections(
    ctx: Ctx, caller: CurrentCaller, person_id: PersonId
) -> schemas.RejectionList:
    """List the faces that are not this person, oldest first."""
    await require_person(ctx, caller, person_id)
    found = await ctx.run(lambda: ctx.services.rejecter.list(person_id))
    return schemas.RejectionList(rejections=[schemas.Rejection.of(one) for one in found])


@router.delete("/{rejection_id}", status_code=204, responses=describe(404))
async def delete_rejection(
    ctx: Ctx, caller: CurrentCaller, person_id: PersonId, rejection_id: RejectionId
) -> Response:
    """Delete a rejection: the face may match this person again."""
    await require_person(ctx, caller, person_id)
    await ctx.write(lambda: ctx.services.rejecter.delete(person_id, rejection_id))
    return Response(status_code=204)
