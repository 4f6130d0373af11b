"""Operations on collections: the galleries."""

from app.api.callers import caller_of
from app.compat.rekognition.access import require_collection
from app.compat.rekognition.answers import Answer
from app.compat.rekognition.collection_answers import (
    CollectionDescription,
    CollectionList,
    StatusAnswer,
)
from app.compat.rekognition.operations import Call
from app.compat.rekognition.requests import CollectionFields, PageFields
from app.compat.rekognition.tokens import last_name, token_of
from app.store.db.tables import GALLERY


async def create_collection(call: Call, body: CollectionFields) -> Answer:
    """Creates an empty gallery."""
    name = require_collection(call.request, body.collection_id)
    await call.ctx.write(lambda: call.ctx.services.galleries.create(name))
    return StatusAnswer(collection_arn=_arn(name), face_model_version=call.model_version)


async def delete_collection(call: Call, body: CollectionFields) -> Answer:
    """Deletes a gallery with its faces and users."""
    name, services = require_collection(call.request, body.collection_id), call.ctx.services
    await call.ctx.run(lambda: services.face_index.counts(name))  # vocabularies are not found
    await call.ctx.write(lambda: services.galleries.delete_collection(name))
    return StatusAnswer()


async def describe_collection(call: Call, body: CollectionFields) -> Answer:
    """Counts the faces and users of a gallery."""
    name, services = require_collection(call.request, body.collection_id), call.ctx.services
    found = await call.ctx.run(lambda: services.face_index.counts(name))
    return CollectionDescription(
        face_count=found.faces,
        user_count=found.users,
        face_model_version=found.collection.space.name,
        collection_arn=_arn(name),
        creation_timestamp=found.collection.created_at.timestamp(),
    )


async def list_collections(call: Call, body: PageFields) -> Answer:
    """Lists the galleries that the caller may use."""
    caller, after = caller_of(call.request), last_name(body.next_token)
    found = await call.ctx.run(call.ctx.services.galleries.collections)
    galleries = [
        one
        for one in found
        if one.kind == GALLERY and one.name > after and caller.may_use(one.name, GALLERY)
    ]
    galleries.sort(key=lambda one: one.name)  # databases have orders of their own
    page = galleries[: body.limit()]
    more = len(galleries) > len(page)
    return CollectionList(
        collection_ids=[one.name for one in page],
        face_model_versions=[one.space.name for one in page],
        next_token=token_of(page[-1].name) if more else None,
    )


def _arn(name: str) -> str:
    """A name in the form of an Amazon resource name, which clients only show."""
    return f"aws:rekognition:local:000000000000:collection/{name}"
