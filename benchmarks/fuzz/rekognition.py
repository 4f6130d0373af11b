"""The operations of `app.compat.rekognition`, and the signatures of its requests."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.fuzz.operations import Operation, Parameter
from benchmarks.fuzz.requests import FuzzRequest
from benchmarks.fuzz.values import Schema

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer", "minimum": 1}
_PERCENT: Schema = {"type": "number", "minimum": 0.0, "maximum": 1.0}
_IDS: Schema = {"type": "array", "items": _TEXT}
_PAGE: Mapping[str, Schema] = {"MaxResults": _NUMBER, "NextToken": _TEXT}
_IMAGE: Schema = {
    "type": "object",
    "properties": {
        "Bytes": {"type": "string", "format": "binary"},
        "S3Object": {"type": "object", "properties": {"Bucket": _TEXT}},
    },
    "required": ["Bytes"],
}
_FACES: Mapping[str, Schema] = {"MaxFaces": _NUMBER, "FaceMatchThreshold": _PERCENT}
_USERS: Mapping[str, Schema] = {"MaxUsers": _NUMBER, "UserMatchThreshold": _PERCENT}
_QUALITY: Schema = {"enum": ["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]}
_WITHOUT_COLLECTION = ("ListCollections", "DetectFaces", "CompareFaces")
_FIELDS: Mapping[str, tuple[Mapping[str, Schema], Mapping[str, Schema]]] = {
    "CreateCollection": ({}, {}),
    "DeleteCollection": ({}, {}),
    "DescribeCollection": ({}, {}),
    "ListCollections": ({}, _PAGE),
    "IndexFaces": (
        {"Image": _IMAGE},
        {"ExternalImageId": _TEXT, "MaxFaces": _NUMBER, "QualityFilter": _QUALITY},
    ),
    "ListFaces": ({}, {**_PAGE, "UserId": _TEXT, "FaceIds": _IDS}),
    "DeleteFaces": ({"FaceIds": _IDS}, {}),
    "SearchFaces": ({"FaceId": _TEXT}, _FACES),
    "SearchFacesByImage": ({"Image": _IMAGE}, _FACES),
    "CompareFaces": (
        {"SourceImage": _IMAGE, "TargetImage": _IMAGE},
        {"SimilarityThreshold": _PERCENT},
    ),
    "DetectFaces": ({"Image": _IMAGE}, {}),
    "CreateUser": ({"UserId": _TEXT}, {}),
    "DeleteUser": ({"UserId": _TEXT}, {}),
    "ListUsers": ({}, _PAGE),
    "AssociateFaces": ({"UserId": _TEXT, "FaceIds": _IDS}, {"UserMatchThreshold": _PERCENT}),
    "DisassociateFaces": ({"UserId": _TEXT, "FaceIds": _IDS}, {}),
    "SearchUsers": ({}, {"UserId": _TEXT, "FaceId": _TEXT, **_USERS}),
    "SearchUsersByImage": ({"Image": _IMAGE}, _USERS),
}
"""Required and optional fields of each operation."""

_SIGNED = ("host", "x-amz-date", "x-amz-target")


def rekognition() -> list[Operation]:
    """The operations; all of them are `POST /`."""
    return [_operation(name, *fields) for name, fields in _FIELDS.items()]


def signed(request: FuzzRequest, moment: datetime) -> FuzzRequest:
    """The request with a signature of this time, if its caller signs.

    The name of the caller is the id of the access key. Headers that the request has already are
    not replaced: they are defects.
    """
    if not request.secret:
        return request
    sent = {name.lower(): value for name, value in request.headers}
    headers = list(request.headers)
    if "x-amz-date" not in sent:
        sent["x-amz-date"] = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers.append(("X-Amz-Date", sent["x-amz-date"]))
    if "authorization" not in sent:
        headers.append(("Authorization", _authorization(request, sent)))
    return replace(request, headers=headers)


def _operation(
    name: str, required: Mapping[str, Schema], optional: Mapping[str, Schema]
) -> Operation:
    if name not in _WITHOUT_COLLECTION:
        required = {"CollectionId": _TEXT, **required}
    target = {"const": f"RekognitionService.{name}"}
    header = Parameter("X-Amz-Target", "header", "X-Amz-Target", target, required=True)
    properties = {**required, **optional}
    body = {"type": "object", "properties": properties, "required": list(required)}
    return Operation("POST", "/", [header], {"application/json": body}, is_signed=True)


def _authorization(request: FuzzRequest, sent: Mapping[str, str]) -> str:
    """AWS Signature Version 4 of the headers in _SIGNED and the body.

    Written from AWS's description, not with the code of the service.
    """
    moment = sent["x-amz-date"]
    listed = "".join(f"{name}:{' '.join(sent.get(name, '').split())}\n" for name in _SIGNED)
    path, _, query = request.target.partition("?")
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join((request.method, path, query, listed, ";".join(_SIGNED), digest))
    scope = (moment[:8], "local", "rekognition", "aws4_request")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", moment, "/".join(scope), hashed))
    value = f"AWS4{request.secret}".encode()
    for part in (*scope, text):
        value = hmac.digest(value, part.encode(), "sha256")
    credential = "/".join((request.caller, *scope))
    return (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(_SIGNED)}, "
        f"Signature={value.hex()}"
    )
