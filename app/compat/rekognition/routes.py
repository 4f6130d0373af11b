"""The route of Rekognition's API: `POST /`, its operation named by the header X-Amz-Target."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from app.api.deps import Ctx, RequestTimings
from app.api.json_bodies import BoundedJsonRoute, read_json
from app.api.route_table import REKOGNITION_OPERATIONS
from app.compat.rekognition import collections, faces, images, requests, users
from app.compat.rekognition.access import authorize
from app.compat.rekognition.failures import (
    MEDIA_TYPE,
    RekognitionError,
    failure,
    invalid_fields,
)
from app.compat.rekognition.operations import Call, Operation
from app.errors import SimaError

PREFIX = "RekognitionService."

OPERATIONS: dict[str, Operation[Any]] = {
    "CreateCollection": Operation(requests.CollectionFields, collections.create_collection),
    "DeleteCollection": Operation(requests.CollectionFields, collections.delete_collection),
    "DescribeCollection": Operation(requests.CollectionFields, collections.describe_collection),
    "ListCollections": Operation(requests.PageFields, collections.list_collections),
    "IndexFaces": Operation(requests.IndexFaces, faces.index_faces),
    "ListFaces": Operation(requests.ListFaces, faces.list_faces),
    "DeleteFaces": Operation(requests.DeleteFaces, faces.delete_faces),
    "SearchFaces": Operation(requests.SearchFaces, faces.search_faces),
    "SearchFacesByImage": Operation(requests.SearchFacesByImage, faces.search_faces_by_image),
    "CompareFaces": Operation(requests.CompareFaces, images.compare_faces),
    "DetectFaces": Operation(requests.DetectFaces, images.detect_faces),
    "CreateUser": Operation(requests.UserFields, users.create_user),
    "DeleteUser": Operation(requests.UserFields, users.delete_user),
    "ListUsers": Operation(requests.ListUsers, users.list_users),
    "AssociateFaces": Operation(requests.AssociateFaces, users.associate_faces),
    "DisassociateFaces": Operation(requests.DisassociateFaces, users.disassociate_faces),
    "SearchUsers": Operation(requests.SearchUsers, users.search_users),
    "SearchUsersByImage": Operation(requests.SearchUsersByImage, users.search_users_by_image),
}


class RekognitionRoute(BoundedJsonRoute):
    """A route whose errors have the form of Rekognition."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except SimaError as error:
                response = failure(error)
            except ValidationError as error:
                response = invalid_fields(error)
            response.headers["x-amzn-RequestId"] = str(request.scope["request_id"])
            return response

        return answer


router = APIRouter(route_class=RekognitionRoute, include_in_schema=False)


@router.post("/")
async def rekognition(request: Request, ctx: Ctx, timings: RequestTimings) -> Response:
    """Run the operation that the header X-Amz-Target names."""
    name = request.headers.get("x-amz-target", "").removeprefix(PREFIX)
    operation = OPERATIONS.get(name)
    if operation is None:
        raise RekognitionError(
            "UnknownOperationException",
            "X-Amz-Target does not name an operation that this service has; see docs/compat.md",
        )
    await authorize(request, ctx, REKOGNITION_OPERATIONS[name])
    body = await read_json(request, operation.schema.model_validate_json)
    found = await operation.answer(Call(request, ctx, timings), body)
    content = found.model_dump_json(by_alias=True, exclude_none=True)
    return Response(content, media_type=MEDIA_TYPE)
