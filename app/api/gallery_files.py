"""Endpoints that export galleries, import archives, and calibrate galleries on their own people."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.deps import Ctx
from app.api.parameters import CollectionPath
from app.api.problems import describe
from app.api.schemas import collection_requests as requests
from app.api.schemas import collections as schemas
from app.api.streaming import stream
from app.errors import InvalidRequest, UnsupportedMediaType

router = APIRouter(route_class=AuthorizedRoute, prefix="/collections", tags=["collections"])

_ARCHIVE = "application/zip"
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["file", "name"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        **requests.NewImport.model_json_schema()["properties"],
                    },
                }
            }
        },
    }
}


@router.get("/{name}/export", responses=describe(404), response_class=StreamingResponse)
async def export_collection(
    ctx: Ctx, caller: CurrentCaller, name: CollectionPath
) -> StreamingResponse:
    """Export a gallery: people, metadata and templates, no photos.

    The archive is signed, and encrypted if the service has encryption keys; `sima import` and
    `POST /collections/import` read it.
    """
    caller.require_collection(name)
    pieces = await ctx.write(lambda: ctx.services.gallery_files.export(name))
    headers = {"Content-Disposition": f'attachment; filename="{name}.sima"'}
    return StreamingResponse(stream(ctx, pieces), media_type=_ARCHIVE, headers=headers)


@router.post("/import", status_code=201, responses=describe(409, 413, 415), openapi_extra=_UPLOAD)
async def import_collection(
    ctx: Ctx, caller: CurrentCaller, request: Request
) -> schemas.CollectionDetails:
    """Create a gallery from an archive of this installation, or of the one with the public key
    `signer`. If a part of it is invalid, nothing is stored."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("Content-Type must be multipart/form-data")
    try:
        form = await request.form(max_files=1, max_fields=2, max_part_size=1_000)
    except (MultiPartException, KeyError, ValueError, AssertionError) as error:
        raise InvalidRequest(
            "body", "the body is not valid multipart/form-data, or has more than 1 file or 2 fields"
        ) from error
    try:
        file = form.get("file")
        fields = {k: v for k, v in form.multi_items() if not isinstance(v, UploadFile)}
        new = requests.NewImport.model_validate(fields)
        caller.require_collection(new.name)
        if not isinstance(file, UploadFile):
            raise InvalidRequest("file", "file is required: an archive made by an export")
        archive, services = file.file, ctx.services
        await ctx.write(
            lambda: services.gallery_files.import_archive(archive, new.name, new.signer)
        )
    finally:
        await form.close()
    created = await ctx.run(lambda: services.galleries.collection(new.name))
    return schemas.CollectionDetails.of_state(created)


@router.post("/{name}/calibration", responses=describe(404, 409))
async def calibrate_collection(
    ctx: Ctx, caller: CurrentCaller, name: CollectionPath
) -> schemas.Calibrated:
    """Measure error rates on the gallery's own people; its decisions use them at once.

    At least 100 people and 10,000 pairs of photos of two people are needed (142 people with one
    photo each); at most 10,000 photos are compared.
    """
    caller.require_collection(name)
    services = ctx.services
    measured = await ctx.write(lambda: services.gallery_calibrator.calibrate(name))
    state = await ctx.run(lambda: services.galleries.collection(name))
    return schemas.Calibrated(
        collection=schemas.CollectionDetails.of_state(state),
        closest=[schemas.ClosePairOut.of(pair) for pair in measured.closest],
    )


@router.delete("/{name}/calibration", status_code=204, responses=describe(404))
async def delete_calibration(ctx: Ctx, caller: CurrentCaller, name: CollectionPath) -> Response:
    """Delete the gallery's own calibration; that of the model decides again."""
    caller.require_collection(name)
    await ctx.write(lambda: ctx.services.gallery_calibrator.clear(name))
    return Response(status_code=204)
