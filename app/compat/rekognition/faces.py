"""Operations on the faces of collections: index, list, delete, search."""

from collections.abc import Callable, Sequence

from app.api.audit import record_decisions
from app.audit_events import AuditEvent
from app.compat.ids import template_id_of
from app.compat.rekognition.access import require_collection
from app.compat.rekognition.answers import (
    Answer,
    DeletedFaces,
    Face,
    FaceDetail,
    FaceList,
    FaceRecord,
    FoundFaces,
    IndexedFaces,
    MatchedFace,
    SearchedFace,
    UnindexedFace,
    UnsuccessfulFace,
    face_ids,
)
from app.compat.rekognition.decisions import Found, matches_of
from app.compat.rekognition.failures import invalid
from app.compat.rekognition.operations import Call
from app.compat.rekognition.requests import (
    DeleteFaces,
    Image,
    IndexFaces,
    ListFaces,
    SearchFaces,
    SearchFacesByImage,
    SearchOptions,
)
from app.compat.rekognition.tokens import last_row_id, token_of
from app.errors import NoFace
from app.faces.face_index import ExaminedImage, FaceDeletion, IndexOrder
from app.faces.face_search import FaceMatch, FaceProbe
from app.vectors import Vector


async def index_faces(call: Call, body: IndexFaces) -> Answer:
    """Stores every face of an image as an anonymous person."""
    collection = require_collection(call.request, body.collection_id)
    ctx, face_index = call.ctx, call.ctx.services.face_index
    order = IndexOrder(collection, body.external_image_id, body.max_faces, body.quality())

    def examine() -> ExaminedImage:
        ctx.services.galleries.require_gallery(collection)
        return face_index.examine(body.image.content(), order, call.timings)

    examined = await ctx.run(examine)
    stored = await ctx.write(lambda: face_index.add(examined, order, call.timings))
    ctx.metrics.count_decisions("enroll", ["enrolled"] * len(stored))
    size = examined.image_size
    return IndexedFaces(
        face_records=[
            FaceRecord(face=Face.of(one), face_detail=FaceDetail.of(face, size))
            for one, face in zip(stored, examined.faces, strict=True)
        ],
        unindexed_faces=[UnindexedFace.of(one, size) for one in examined.refused],
        face_model_version=call.model_version,
    )


async def list_faces(call: Call, body: ListFaces) -> Answer:
    """Lists the faces of a gallery, of a user, or those with the given ids."""
    collection = require_collection(call.request, body.collection_id)
    ctx, services = call.ctx, call.ctx.services
    if body.face_ids is not None:
        asked = [template_id_of(one) for one in body.face_ids]
        found = await ctx.run(lambda: services.face_index.find(collection, asked))
        faces = [Face.of(found[one]) for one in asked if one in found]
        if body.user_id is not None:
            faces = [face for face in faces if face.user_id == body.user_id]
        return FaceList(faces=faces, next_token=None, face_model_version=call.model_version)
    after, user_id = last_row_id(body.next_token), body.user_id
    user = None
    if user_id is not None:
        user = await ctx.run(lambda: services.face_users.get(collection, user_id))
    page = await ctx.run(lambda: services.face_index.page(collection, user, after, body.limit()))
    return FaceList(
        faces=[Face.of(one) for one in page.faces],
        next_token=token_of(page.next_after),
        face_model_version=call.model_version,
    )


async def delete_faces(call: Call, body: DeleteFaces) -> Answer:
    """Deletes faces, except those of users."""
    collection = require_collection(call.request, body.collection_id)
    asked = {template_id_of(one): one for one in body.face_ids}
    face_index = call.ctx.services.face_index
    done = await call.ctx.write(lambda: face_index.delete(collection, list(asked)))
    deleted = [one.template_id for one in done if one.found and one.user is None]
    return DeletedFaces(
        deleted_faces=face_ids(deleted),
        unsuccessful_face_deletions=[
            _not_deleted(one, asked[one.template_id])
            for one in done
            if not one.found or one.user is not None
        ],
    )


async def search_faces(call: Call, body: SearchFaces) -> Answer:
    """Searches for a face of the gallery among the others."""
    collection = require_collection(call.request, body.collection_id)
    template_id, searcher = template_id_of(body.face_id), call.ctx.services.face_searcher
    vectors = await call.ctx.run(lambda: searcher.stored_vectors(collection, [template_id]))
    if not vectors:
        raise invalid("the FaceId is not in the collection; send one that ListFaces lists")
    [vector] = vectors
    limit = body.max_faces + 1  # the searched face itself is among them
    found = await call.ctx.run(lambda: _found(call, body, vector, limit))
    others = [one for one in found if one.face.template.template_id != template_id]
    matches = await _matches(call, body, others)
    return FoundFaces(
        searched_face_id=body.face_id,
        face_matches=matches,
        face_model_version=call.model_version,
    )


async def search_faces_by_image(call: Call, body: SearchFacesByImage) -> Answer:
    """Searches for the largest face of an image."""
    collection = require_collection(call.request, body.collection_id)
    probe, found = await search_by_image(
        call, collection, body.image, lambda vector: _found(call, body, vector, body.max_faces)
    )
    matches = await _matches(call, body, found)
    searched = SearchedFace.of(probe.face, probe.image_size)
    return FoundFaces(
        searched_face_bounding_box=searched.bounding_box,
        searched_face_confidence=searched.confidence,
        face_matches=matches,
        face_model_version=call.model_version,
    )


async def search_by_image(
    call: Call, collection: str, image: Image, search: Callable[[Vector], list[Found]]
) -> tuple[FaceProbe, list[Found]]:
    """The largest face of an image, and what `search` finds with its vector.

    Raises RekognitionError, CollectionNotFound.
    """
    ctx, services = call.ctx, call.ctx.services

    def work() -> tuple[FaceProbe, list[Found]]:
        probe = services.face_searcher.probe(image.content(), call.timings)
        return probe, search(probe.vector)

    try:
        return await ctx.run(work)
    except NoFace as error:
        await ctx.run(lambda: services.galleries.require_gallery(collection))
        event = AuditEvent("identify", "no_face", collection)
        await record_decisions(call.request, ctx, [event])
        raise no_face() from error


def no_face() -> Exception:
    """The error of an image without a face; clients search its message for the first words."""
    return invalid("There are no faces in the image. Should be at least 1.")


def _found(call: Call, body: SearchOptions, vector: Vector, limit: int) -> list[FaceMatch]:
    searcher = call.ctx.services.face_searcher
    return searcher.faces(body.collection_id, vector, limit, call.timings)


async def _matches(
    call: Call, body: SearchOptions, found: Sequence[FaceMatch]
) -> list[MatchedFace]:
    """The faces that are similar enough, most similar first."""
    most, least = body.max_faces, body.face_match_threshold
    similar = await matches_of(call, body.collection_id, found, most, least)
    return [MatchedFace.of(one) for one in similar]


def _not_deleted(one: FaceDeletion, face_id: str) -> UnsuccessfulFace:
    if one.user is None:
        return UnsuccessfulFace(face_id=face_id, reasons=["FACE_NOT_FOUND"])
    reasons = ["ASSOCIATED_TO_AN_EXISTING_USER"]
    return UnsuccessfulFace(face_id=face_id, reasons=reasons, user_id=one.user.external_id)
