"""Signatures of Rekognition's API: what is accepted, what is refused, and what keys may do."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from fastapi.testclient import TestClient

from app.api.route_table import REKOGNITION_OPERATIONS
from app.settings import Role
from tests.compat.rekognition_client import Json, Rekognition, amz_date
from tests.conftest import MakeClient

SECRET = "not-a-real-secret-0123456789"
KEYS: dict[str, dict[str, Any]] = {
    "DOORKEY": {"secret": SECRET, "role": "admin"},
    "READER": {"secret": SECRET, "role": "read"},
    "ENROLLER": {"secret": SECRET, "role": "enroll"},
    "LOBBY": {"secret": SECRET, "role": "admin", "collections": ["lobby"]},
}
SIGNED = "content-type;host;x-amz-date;x-amz-target"
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
BOTOCORE_BODY = b'{"MaxResults": 1}'
BOTOCORE_HEADERS = {
    "Host": "127.0.0.1:8000",
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Date": "20261127T120000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=DOORKEY/20261127/eu-west-1/rekognition/"
    f"aws4_request, SignedHeaders={SIGNED}, "
    "Signature=71b6e05f6449edc5c044279d47715ca816a711f2bc09a8613e9b6fd19eef1dd3",
}
"""What botocore 1.44.8 computed for `POST http://127.0.0.1:8000/` and BOTOCORE_BODY."""


@pytest.fixture(scope="module")
def service(make_client: MakeClient) -> TestClient:
    """A service with keys of Rekognition's API and no others."""
    return make_client(compat="rekognition", rekognition_keys=KEYS, rate_limit_failures=None)


@pytest.fixture
def client(service: TestClient) -> Rekognition:
    """A client from another machine."""
    return Rekognition(service, "192.0.2.7")


def sign(operation: str, body: bytes, key: str = "DOORKEY", **changes: Any) -> dict[str, str]:
    """Headers with a signature; `changes` replace what is signed, or who signs."""
    moment = amz_date(changes.get("time", datetime.now(UTC)))
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": "testserver",
        "x-amz-date": moment,
        "x-amz-target": f"RekognitionService.{operation}",
    }
    names = sorted(changes.get("signed", SIGNED).split(";"))
    date, region = moment[:8], changes.get("region", "eu-west-1")
    service, end = changes.get("service", "rekognition"), changes.get("end", "aws4_request")
    listed = "".join(f"{name}:{headers[name]}\n" for name in names)
    digest = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n/\n\n{listed}\n{';'.join(names)}\n{digest}"
    scope = f"{date}/{region}/{service}/{end}"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    value = f"AWS4{changes.get('secret', SECRET)}".encode()
    for part in (date, region, service, end, text):
        value = hmac.digest(value, part.encode(), "sha256")
    signed = f"SignedHeaders={';'.join(names)}, Signature={value.hex()}"
    credential = f"{key}/{scope}"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, {signed}"}


def name_of(answer: tuple[int, Json]) -> str | None:
    """The name of the error, None without one."""
    status, found = answer
    assert status == (400 if "__type" in found else 200), found
    assert SECRET not in json.dumps(found)
    return found.get("__type")


def test_a_signature_of_botocore_is_accepted(client: Rekognition) -> None:
    for change, refused in (
        (timedelta(0), None),
        (timedelta(minutes=4, seconds=59), None),
        (timedelta(minutes=5, seconds=1), "InvalidSignatureException"),
        (timedelta(minutes=-5, seconds=-1), "InvalidSignatureException"),
    ):
        with time_machine.travel(NOON + change, tick=False):
            answer = client.send("ListCollections", BOTOCORE_BODY, BOTOCORE_HEADERS)
        assert name_of(answer) == refused


def test_what_was_signed_must_be_what_was_sent(client: Rekognition) -> None:
    body = b'{"MaxResults": 1}'
    assert name_of(client.send("ListCollections", body, sign("ListCollections", body))) is None
    refused = "InvalidSignatureException"
    for changed in (
        client.send("ListCollections", b'{"MaxResults": 2}', sign("ListCollections", body)),
        client.send(
            "ListCollections", body, {**sign("DescribeCollection", body), **target("ListFaces")}
        ),
        client.send("ListCollections", body, sign("ListCollections", body, secret="other")),
        client.send("ListCollections", body, sign("ListCollections", body, service="s3")),
        client.send(
            "ListCollections", body, {**sign("ListCollections", body), "Host": "elsewhere"}
        ),
        client.send(
            "ListCollections", body, sign("ListCollections", body, signed="host;x-amz-date")
        ),
    ):
        assert name_of(changed) == refused
    elsewhere = sign("ListCollections", body, region="us-gov-west-1")
    assert name_of(client.send("ListCollections", body, elsewhere)) is None


def target(operation: str) -> dict[str, str]:
    return {"x-amz-target": f"RekognitionService.{operation}"}


def test_requests_without_a_valid_signature_are_refused(client: Rekognition) -> None:
    body = b"{}"
    signed = sign("ListCollections", body)
    for headers, name in (
        ({}, "MissingAuthenticationTokenException"),
        ({"X-API-Key": SECRET}, "MissingAuthenticationTokenException"),
        ({**signed, "Authorization": "Bearer x"}, "IncompleteSignatureException"),
        ({**signed, "Authorization": "A" * 5_000}, "IncompleteSignatureException"),
        ({**signed, "x-amz-date": "yesterday"}, "IncompleteSignatureException"),
        ({**signed, "x-amz-date": "20269999T999999Z"}, "InvalidSignatureException"),
        (sign("ListCollections", body, end="aws5_request"), "IncompleteSignatureException"),
        (sign("ListCollections", body, key="STRANGER"), "UnrecognizedClientException"),
        (sign("ListCollections", body, key="%C3%A4"), "UnrecognizedClientException"),
    ):
        assert name_of(client.send("ListCollections", body, headers)) == name


@pytest.mark.parametrize("operation", REKOGNITION_OPERATIONS)
def test_operations_need_their_role_and_their_collection(
    client: Rekognition, operation: str
) -> None:
    access = REKOGNITION_OPERATIONS[operation]
    body = json.dumps(
        {
            "CollectionId": "elsewhere",
            "UserId": "nobody",
            "FaceIds": ["00000000-0000-4000-8000-000000000000"],
            "FaceId": "00000000-0000-4000-8000-000000000000",
            "Image": {"Bytes": "aW1hZ2U="},
        }
    ).encode()
    order: tuple[Role, ...] = ("read", "enroll", "admin")
    assert access.role is not None
    denied = "AccessDeniedException"
    for role, key in zip(order, ("READER", "ENROLLER", "DOORKEY"), strict=True):
        if operation in ("CreateCollection", "DeleteCollection") and key == "DOORKEY":
            continue  # the collection would exist for the other operations
        answer = client.send(operation, body, sign(operation, body, key=key))
        assert (name_of(answer) == denied) == (order.index(role) < order.index(access.role))
    answer = client.send(operation, body, sign(operation, body, key="LOBBY"))
    assert (name_of(answer) == denied) == (access.scope == "collection")


def test_a_restricted_key_lists_its_own_collections(client: Rekognition) -> None:
    def call(operation: str, key: str, **fields: Any) -> Json:
        body = json.dumps(fields).encode()
        return client.send(operation, body, sign(operation, body, key=key))[1]

    call("CreateCollection", "LOBBY", CollectionId="lobby")
    assert call("ListCollections", "LOBBY")["CollectionIds"] == ["lobby"]
    assert call("ListCollections", "READER")["CollectionIds"] == ["default", "lobby"]


def test_the_own_api_is_not_open_beside_keys_of_rekognition(service: TestClient) -> None:
    assert service.get("/persons").status_code == 401


def test_without_keys_only_the_same_machine_is_answered(make_client: MakeClient) -> None:
    open_service = make_client(compat="rekognition")
    for address in ("127.0.0.1", "::1", "127.8.8.8"):
        assert (
            name_of(Rekognition(open_service, address).send("ListCollections", b"{}", {})) is None
        )
    for address in ("192.0.2.7", "testclient", "10.0.0.1"):
        answer = Rekognition(open_service, address).send("ListCollections", b"{}", {})
        assert name_of(answer) == "AccessDeniedException"


def test_keys_of_the_own_api_do_not_open_rekognition(make_client: MakeClient) -> None:
    """Their secrets are unknown to the service, so no signature can be verified."""
    keyed = Rekognition(make_client(compat="rekognition", api_keys={"a-key": "write"}))
    unsigned = keyed.send("ListCollections", b"{}", {"X-API-Key": "a-key"})
    assert name_of(unsigned) == "MissingAuthenticationTokenException"
    signed = sign("ListCollections", b"{}", key="a-key", secret="a-key")
    assert name_of(keyed.send("ListCollections", b"{}", signed)) == "UnrecognizedClientException"


BODIES = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"[" * 50_000,
    b'{"CollectionId": 1, "FaceIds": {}, "MaxResults": 1e99, "Image": []}',
    b'{"CollectionId": "\\ud800", "UserId": "\\u0000", "Image": {"Bytes": "\\ud800"}}',
    b'{"CollectionId": "default", "UserId": "a", "FaceIds": ["x"], "NextToken": "LTE="}',
    b'{"CollectionId": "default", "NextToken": "OTk5OTk5OTk5OTk5OTk5OTk5OQ=="}',
    b'{"CollectionId": "default", "Image": {"Bytes": "/9g="}, "MaxFaces": -1}',
    b'{"CollectionId": "default", "Image": {"Bytes": ""}, "FaceMatchThreshold": NaN}',
    b'{"SourceImage": {"Bytes": "data:x"}, "TargetImage": {"S3Object": null}}',
)


@pytest.mark.parametrize("operation", REKOGNITION_OPERATIONS)
def test_hostile_bodies_are_refused(client: Rekognition, operation: str) -> None:
    for body in BODIES:
        name_of(client.send(operation, body, sign(operation, body)))
