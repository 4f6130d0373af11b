"""Operations on users: people with an external id, to whom faces are assigned."""

from collections.abc import Sequence

import numpy as np

from app.compat.ids import template_id_of
from app.compat.rekognition.access import require_collection
from app.compat.rekognition.answers import Answer, FaceDetail, Nothing, UnsuccessfulFace
from app.compat.rekognition.decisions import matches_of
from app.compat.rekognition.faces import search_by_image
from app.compat.rekognition.failures import invalid
from app.compat.rekognition.operations import Call
from app.compat.rekognition.requests import (
    AssociateFaces,
    DisassociateFaces,
    ListUsers,
    SearchUsers,
    SearchUsersByImage,
    UserFields,
    UserSearchOptions,
)
from app.compat.rekognition.scores import client_similarity
from app.compat.rekognition.tokens import last_row_id, token_of
from app.compat.rekognition.user_answers import (
    AssociatedFaces,
    DisassociatedFaces,
    FaceReference,
    FoundUsers,
    FoundUsersByImage,
    MatchedUser,
    SearchedDetail,
    UnsearchedFace,
    User,
    UserList,
    UserReference,
    status_of,
)
from app.faces.face_search import UserMatch
from app.faces.face_users import Assignment, FaceUsers
from app.vectors import Vector, l2_normalize


def _users(call: Call) -> FaceUsers:
    return call.ctx.services.face_users


async def create_user(call: Call, body: UserFields) -> Answer:
    """Creates a user without faces."""
    collection, face_users = require_collection(call.request, body.collection_id), _users(call)
    await call.ctx.write(lambda: face_users.create(collection, body.user_id))
    return Nothing()


async def delete_user(call: Call, body: UserFields) -> Answer:
    """Deletes a user; the faces remain without a user."""
    collection, face_users = require_collection(call.request, body.collection_id), _users(call)
    await call.ctx.write(lambda: face_users.delete(collection, body.user_id))
    return Nothing()


async def list_users(call: Call, body: ListUsers) -> Answer:
    """Lists the users of a gallery."""
    collection, after = require_collection(call.request, body.collection_id), body.next_token
    row_id, face_users = last_row_id(after), _users(call)
    page = await call.ctx.run(lambda: face_users.page(collection, row_id, body.max_results))
    users = [User.of(person) for person in page.people]
    return UserList(users=users, next_token=token_of(page.next_after))


async def associate_faces(call: Call, body: AssociateFaces) -> Answer:
    """Assigns faces to a user whom they resemble."""
    collection, face_users = require_collection(call.request, body.collection_id), _users(call)
    asked = {template_id_of(one): one for one in body.face_ids}
    least = body.user_match_threshold
    user, done = await call.ctx.write(
        lambda: face_users.assign(
            collection, body.user_id, list(asked), lambda one: client_similarity(one) >= least
        )
    )
    return AssociatedFaces(
        associated_faces=_moved(done, asked),
        unsuccessful_face_associations=_refused(done, asked),
        user_status=status_of(user),
    )


async def disassociate_faces(call: Call, body: DisassociateFaces) -> Answer:
    """Takes faces from a user; they remain without a user."""
    collection, face_users = require_collection(call.request, body.collection_id), _users(call)
    asked = {template_id_of(one): one for one in body.face_ids}
    user, done = await call.ctx.write(
        lambda: face_users.take(collection, body.user_id, list(asked))
    )
    return DisassociatedFaces(
        disassociated_faces=_moved(done, asked),
        unsuccessful_face_disassociations=_refused(done, asked),
        user_status=status_of(user),
    )


async def search_users(call: Call, body: SearchUsers) -> Answer:
    """Searches for the users who resemble a face, or another user."""
    collection = require_collection(call.request, body.collection_id)
    if (body.user_id is None) == (body.face_id is None):
        raise invalid("send either UserId or FaceId")
    vector = await _vector(call, collection, body)
    limit = body.max_users + (body.user_id is not None)  # that user is among the found ones
    found = await call.ctx.run(lambda: _found(call, body, vector, limit))
    others = [one for one in found if one.person.external_id != body.user_id]
    matches = await _matches(call, body, others)
    return FoundUsers(
        user_matches=matches,
        face_model_version=call.model_version,
        searched_face=FaceReference(face_id=body.face_id) if body.face_id else None,
        searched_user=UserReference(user_id=body.user_id) if body.user_id else None,
    )


async def search_users_by_image(call: Call, body: SearchUsersByImage) -> Answer:
    """Searches for the users who resemble the largest face of an image."""
    collection = require_collection(call.request, body.collection_id)
    probe, found = await search_by_image(
        call, collection, body.image, lambda vector: _found(call, body, vector, body.max_users)
    )
    matches, size = await _matches(call, body, found), probe.image_size
    return FoundUsersByImage(
        user_matches=matches,
        face_model_version=call.model_version,
        searched_face=SearchedDetail(face_detail=FaceDetail.of(probe.face, size)),
        unsearched_faces=[
            UnsearchedFace(face_details=FaceDetail.of(face, size)) for face in probe.others
        ],
    )


async def _vector(call: Call, collection: str, body: SearchUsers) -> Vector:
    """The vector of the face, or the mean of the user's. Raises RekognitionError."""
    ctx, services, user_id = call.ctx, call.ctx.services, body.user_id
    if user_id is None:
        template_ids = [template_id_of(str(body.face_id))]
    else:
        user = await ctx.run(lambda: services.face_users.get(collection, user_id))
        page = await ctx.run(
            lambda: services.face_index.page(collection, user, 0, max(user.photos, 1))
        )
        template_ids = [face.template.template_id for face in page.faces]
    vectors = await ctx.run(lambda: services.face_searcher.stored_vectors(collection, template_ids))
    if not vectors:
        raise invalid("the FaceId is not in the collection, or the user has no faces")
    return l2_normalize(np.stack(vectors).mean(axis=0))


def _found(call: Call, body: UserSearchOptions, vector: Vector, limit: int) -> list[UserMatch]:
    searcher = call.ctx.services.face_searcher
    return searcher.users(body.collection_id, vector, limit, call.timings)


async def _matches(
    call: Call, body: UserSearchOptions, found: Sequence[UserMatch]
) -> list[MatchedUser]:
    """The users who are similar enough, most similar first."""
    most, least = body.max_users, body.user_match_threshold
    similar = await matches_of(call, body.collection_id, found, most, least)
    return [MatchedUser.of(one) for one in similar]


def _moved(done: Sequence[Assignment], asked: dict[str, str]) -> list[FaceReference]:
    return [FaceReference(face_id=asked[one.template_id]) for one in done if one.done]


def _refused(done: Sequence[Assignment], asked: dict[str, str]) -> list[UnsuccessfulFace]:
    return [_unsuccessful(one, asked[one.template_id]) for one in done if not one.done]


def _unsuccessful(one: Assignment, face_id: str) -> UnsuccessfulFace:
    if one.owner is not None:
        reasons = ["ASSOCIATED_TO_A_DIFFERENT_USER"]
        return UnsuccessfulFace(face_id=face_id, reasons=reasons, user_id=one.owner.external_id)
    if one.refused is not None:
        reasons, similarity = ["LOW_MATCH_CONFIDENCE"], client_similarity(one.refused)
        return UnsuccessfulFace(face_id=face_id, reasons=reasons, confidence=similarity)
    return UnsuccessfulFace(face_id=face_id, reasons=["FACE_NOT_FOUND"])
