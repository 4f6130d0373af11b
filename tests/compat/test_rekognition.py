"""Rekognition's API: its operations over HTTP, and what they store in this service."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.audit_routes import REKOGNITION_DECISIONS, Audited
from app.api.route_table import REKOGNITION_OPERATIONS
from app.compat.ids import template_id_of
from app.compat.rekognition.routes import OPERATIONS
from app.compat.rekognition.scores import MATCH
from app.store.audit_log import AuditFilter, AuditLog
from tests.compat.rekognition_client import Rekognition, image
from tests.conftest import MakeClient, services_of

Photos = dict[str, bytes]
Json = dict[str, Any]
LOBBY = {"CollectionId": "lobby"}


@pytest.fixture(scope="module")
def service(make_client: MakeClient) -> TestClient:
    """A service that offers Rekognition's API."""
    return make_client(compat="rekognition")


@pytest.fixture
def client(service: TestClient) -> Rekognition:
    """A client, and an empty collection `lobby`."""
    service.delete("/collections/lobby")
    found = Rekognition(service)
    found.call("CreateCollection", **LOBBY)
    return found


def index(client: Rekognition, photo: bytes, **options: Any) -> list[str]:
    """The ids of the faces of a photo, largest first."""
    answer = client.call("IndexFaces", **LOBBY, Image=image(photo), **options)
    return [record["Face"]["FaceId"] for record in answer["FaceRecords"]]


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def matches(answer: Json) -> list[str]:
    return [one["Face"]["FaceId"] for one in answer["FaceMatches"]]


def test_it_is_off_unless_the_setting_names_it(make_client: MakeClient) -> None:
    assert make_client().post("/", json={}).status_code == 405


def test_every_operation_has_a_role_and_an_audit_decision() -> None:
    assert set(OPERATIONS) == set(REKOGNITION_OPERATIONS) == set(REKOGNITION_DECISIONS)


def test_collections_are_created_described_listed_and_deleted(client: Rekognition) -> None:
    assert client.fails("CreateCollection", **LOBBY) == "ResourceAlreadyExistsException"
    assert client.fails("CreateCollection", CollectionId="a/b") == "InvalidParameterException"
    described = client.call("DescribeCollection", **LOBBY)
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert isinstance(described["CreationTimestamp"], float)
    assert client.call("ListCollections")["CollectionIds"] == ["default", "lobby"]
    first = client.call("ListCollections", MaxResults=1)
    second = client.call("ListCollections", MaxResults=1, NextToken=first["NextToken"])
    assert (first["CollectionIds"], second["CollectionIds"]) == (["default"], ["lobby"])
    assert "NextToken" not in second
    assert client.fails("ListCollections", NextToken="?") == "InvalidPaginationTokenException"
    assert client.call("DeleteCollection", **LOBBY) == {"StatusCode": 200}
    for operation in ("DeleteCollection", "DescribeCollection", "ListFaces", "ListUsers"):
        assert client.fails(operation, **LOBBY) == "ResourceNotFoundException"


def test_every_face_of_a_photo_is_indexed_as_a_person_of_its_own(
    client: Rekognition, service: TestClient, photos: Photos
) -> None:
    answer = client.call(
        "IndexFaces", **LOBBY, Image=image(photos["pair"]), ExternalImageId="pair.jpg"
    )
    faces = [record["Face"] for record in answer["FaceRecords"]]
    assert len({face["FaceId"] for face in faces}) == 2
    assert len({face["ImageId"] for face in faces}) == 1
    assert {face["ExternalImageId"] for face in faces} == {"pair.jpg"}
    for record in answer["FaceRecords"]:
        box = record["FaceDetail"]["BoundingBox"]
        assert all(-0.1 <= box[side] <= 1.0 for side in ("Left", "Top", "Width", "Height"))
        assert record["FaceDetail"]["Confidence"] == record["Face"]["Confidence"] > 90
        assert len(record["FaceDetail"]["Landmarks"]) == 5
    people = service.get("/persons?collection=lobby").json()["persons"]
    assert [(one["name"], one["external_id"]) for one in people] == [("anonymous", None)] * 2
    listed = client.call("ListFaces", **LOBBY)["Faces"]
    assert [one["FaceId"] for one in listed] == [one["FaceId"] for one in faces]
    for one, face in zip(listed, faces, strict=True):
        assert one["BoundingBox"] == pytest.approx(face["BoundingBox"], abs=1e-3)

    limited = client.call("IndexFaces", **LOBBY, Image=image(photos["pair"]), MaxFaces=1)
    assert len(limited["FaceRecords"]) == 1
    assert [one["Reasons"] for one in limited["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]]
    none = client.call("IndexFaces", **LOBBY, Image=image(photos["coffee"]))
    assert (none["FaceRecords"], none["UnindexedFaces"]) == ([], [])


def test_faces_are_listed_in_pages_and_deleted(
    client: Rekognition, service: TestClient, photos: Photos
) -> None:
    a, b = index(client, photos["pair"])
    first = client.call("ListFaces", **LOBBY, MaxResults=1)
    second = client.call("ListFaces", **LOBBY, MaxResults=1, NextToken=first["NextToken"])
    assert [one["FaceId"] for one in (*first["Faces"], *second["Faces"])] == [a, b]
    assert "NextToken" not in second
    assert [one["FaceId"] for one in client.call("ListFaces", **LOBBY, FaceIds=[b])["Faces"]] == [b]
    unknown = "00000000-0000-4000-8000-000000000000"
    gone = client.call("DeleteFaces", **LOBBY, FaceIds=[a, unknown])
    assert gone["DeletedFaces"] == [a]
    [failed] = gone["UnsuccessfulFaceDeletions"]
    assert (failed["FaceId"], failed["Reasons"]) == (unknown, ["FACE_NOT_FOUND"])
    assert len(service.get("/persons?collection=lobby").json()["persons"]) == 1
    assert client.call("DescribeCollection", **LOBBY)["FaceCount"] == 1


def test_faces_are_searched_by_image_and_by_id(client: Rekognition, photos: Photos) -> None:
    [obama] = index(client, photos["obama"])
    [other] = index(client, photos["obama2"])
    [biden] = index(client, photos["biden"])
    by_image = client.call("SearchFacesByImage", **LOBBY, Image=image(photos["obama"]))
    assert matches(by_image)[0] == obama
    assert biden not in matches(by_image)
    assert all(one["Similarity"] >= MATCH for one in by_image["FaceMatches"])
    assert by_image["SearchedFaceConfidence"] > 90
    by_id = client.call("SearchFaces", **LOBBY, FaceId=obama, FaceMatchThreshold=0)
    assert by_id["SearchedFaceId"] == obama
    assert matches(by_id) == [other, biden]
    assert by_id["FaceMatches"][1]["Similarity"] < MATCH
    one = client.call("SearchFaces", **LOBBY, FaceId=obama, FaceMatchThreshold=0, MaxFaces=1)
    assert matches(one) == [other]
    unknown = "00000000-0000-4000-8000-000000000000"
    assert client.fails("SearchFaces", **LOBBY, FaceId=unknown) == "InvalidParameterException"
    coffee = image(photos["coffee"])
    status, error = client.send("SearchFacesByImage", body(CollectionId="lobby", Image=coffee), {})
    assert (status, error["__type"]) == (400, "InvalidParameterException")
    assert "There are no faces in the image" in error["Message"]


def test_faces_of_two_images_are_compared(client: Rekognition, photos: Photos) -> None:
    answer = client.call(
        "CompareFaces", SourceImage=image(photos["obama"]), TargetImage=image(photos["pair"])
    )
    [match], [other] = answer["FaceMatches"], answer["UnmatchedFaces"]
    assert match["Similarity"] >= MATCH
    assert match["Face"]["BoundingBox"]["Left"] < 0.5 <= other["BoundingBox"]["Left"]
    assert answer["SourceImageFace"]["Confidence"] > 90
    everything = client.call(
        "CompareFaces",
        SourceImage=image(photos["obama"]),
        TargetImage=image(photos["pair"]),
        SimilarityThreshold=0,
    )
    assert len(everything["FaceMatches"]) == 2
    for source, target in (("coffee", "obama"), ("obama", "coffee")):
        sent = {"SourceImage": image(photos[source]), "TargetImage": image(photos[target])}
        assert client.fails("CompareFaces", **sent) == "InvalidParameterException"


def test_faces_are_detected(client: Rekognition, photos: Photos) -> None:
    found = client.call("DetectFaces", Image=image(photos["pair"]), Attributes=["ALL"])
    assert len(found["FaceDetails"]) == 2
    assert client.call("DetectFaces", Image=image(photos["coffee"])) == {"FaceDetails": []}


def test_a_rejected_face_is_not_associated(
    client: Rekognition, service: TestClient, photos: Photos
) -> None:
    [a], [b] = (index(client, photos[name]) for name in ("obama", "obama2"))
    for user, faces in (("barack", [a]), ("empty", [])):
        client.call("CreateUser", **LOBBY, UserId=user)
        if faces:
            client.call("AssociateFaces", **LOBBY, UserId=user, FaceIds=faces)
        query = f"/persons?collection=lobby&external_id={user}"
        [person] = service.get(query).json()["persons"]
        body = {"template_id": template_id_of(b)}
        rejected = service.post(f"/persons/{person['person_id']}/not-this", json=body)
        assert rejected.status_code == 201, rejected.text
        done = client.call("AssociateFaces", **LOBBY, UserId=user, FaceIds=[b])
        assert done["AssociatedFaces"] == []
        [refused] = done["UnsuccessfulFaceAssociations"]
        assert (refused["FaceId"], refused["Reasons"]) == (b, ["LOW_MATCH_CONFIDENCE"])
    client.call("CreateUser", **LOBBY, UserId="other")
    done = client.call("AssociateFaces", **LOBBY, UserId="other", FaceIds=[b])
    assert [one["FaceId"] for one in done["AssociatedFaces"]] == [b]


def test_users_have_faces_and_are_found(
    client: Rekognition, service: TestClient, photos: Photos
) -> None:
    barack = {**LOBBY, "UserId": "barack"}
    client.call("CreateUser", **barack)
    assert client.fails("CreateUser", **barack) == "ConflictException"
    client.call("CreateUser", **LOBBY, UserId="joe")
    [a], [b], [c] = (index(client, photos[name]) for name in ("obama", "obama2", "biden"))
    done = client.call("AssociateFaces", **barack, FaceIds=[a, b, c])
    assert [one["FaceId"] for one in done["AssociatedFaces"]] == [a, b]
    [refused] = done["UnsuccessfulFaceAssociations"]
    assert (refused["FaceId"], refused["Reasons"]) == (c, ["LOW_MATCH_CONFIDENCE"])
    assert done["UserStatus"] == "ACTIVE"
    users = client.call("ListUsers", **LOBBY)["Users"]
    assert users == [
        {"UserId": "barack", "UserStatus": "ACTIVE"},
        {"UserId": "joe", "UserStatus": "CREATED"},
    ]
    [person] = service.get("/persons?collection=lobby&external_id=barack").json()["persons"]
    assert (person["name"], person["photos"]) == ("barack", 2)
    assert len(service.get("/persons?collection=lobby").json()["persons"]) == 3

    client.call("AssociateFaces", **LOBBY, UserId="joe", FaceIds=[c])
    taken = client.call("AssociateFaces", **LOBBY, UserId="joe", FaceIds=[a])
    assert taken["UnsuccessfulFaceAssociations"][0]["UserId"] == "barack"
    found = client.call("SearchUsersByImage", **LOBBY, Image=image(photos["obama3"]))
    assert [one["User"]["UserId"] for one in found["UserMatches"]] == ["barack"]
    assert found["UnsearchedFaces"] == []
    by_face = client.call("SearchUsers", **LOBBY, FaceId=c)
    assert [one["User"]["UserId"] for one in by_face["UserMatches"]] == ["joe"]
    by_user = client.call("SearchUsers", **barack, UserMatchThreshold=0)
    assert [one["User"]["UserId"] for one in by_user["UserMatches"]] == ["joe"]
    assert client.fails("SearchUsers", **LOBBY) == "InvalidParameterException"
    of_user = client.call("ListFaces", **barack)["Faces"]
    assert [(one["FaceId"], one["UserId"]) for one in of_user] == [(a, "barack"), (b, "barack")]

    kept = client.call("DeleteFaces", **LOBBY, FaceIds=[a])
    assert kept["UnsuccessfulFaceDeletions"][0]["Reasons"] == ["ASSOCIATED_TO_AN_EXISTING_USER"]
    left = client.call("DisassociateFaces", **barack, FaceIds=[a, c])
    assert [one["FaceId"] for one in left["DisassociatedFaces"]] == [a]
    [wrong] = left["UnsuccessfulFaceDisassociations"]
    assert wrong["Reasons"] == ["ASSOCIATED_TO_A_DIFFERENT_USER"]
    assert client.call("DeleteFaces", **LOBBY, FaceIds=[a])["DeletedFaces"] == [a]
    client.call("DeleteUser", **barack)
    assert client.fails("DeleteUser", **barack) == "ResourceNotFoundException"
    assert {one["FaceId"] for one in client.call("ListFaces", **LOBBY)["Faces"]} == {b, c}
    assert client.call("DescribeCollection", **LOBBY)["UserCount"] == 1


def test_operations_record_their_action(
    client: Rekognition, service: TestClient, photos: Photos
) -> None:
    log = AuditLog(services_of(service).database)

    def recorded(operation: str, **sent: Any) -> Json:
        before = len(list(log.entries(AuditFilter())))
        answer = client.call(operation, **sent)
        entries = [entry.content() for entry in log.entries(AuditFilter())][before:]
        decision = REKOGNITION_DECISIONS[operation]
        actions = {decision.action} if isinstance(decision, Audited) else set()
        assert {entry["action"] for entry in entries} == actions, operation
        return answer

    photo, user = {"Image": image(photos["obama"])}, {**LOBBY, "UserId": "barack"}
    pair = {"SourceImage": image(photos["obama"]), "TargetImage": image(photos["biden"])}
    [record] = recorded("IndexFaces", **LOBBY, **photo)["FaceRecords"]
    one, several = {"FaceId": record["Face"]["FaceId"]}, {"FaceIds": [record["Face"]["FaceId"]]}
    recorded("DescribeCollection", **LOBBY)
    recorded("ListCollections")
    recorded("ListFaces", **LOBBY)
    recorded("SearchFaces", **LOBBY, **one)
    recorded("SearchFacesByImage", **LOBBY, **photo)
    recorded("CompareFaces", **pair)
    recorded("DetectFaces", **photo)
    recorded("CreateUser", **user)
    recorded("AssociateFaces", **user, **several)
    recorded("ListUsers", **LOBBY)
    recorded("SearchUsers", **LOBBY, **one)
    recorded("SearchUsersByImage", **LOBBY, **photo)
    recorded("DisassociateFaces", **user, **several)
    recorded("DeleteUser", **user)
    recorded("DeleteFaces", **LOBBY, **several)
    recorded("DeleteCollection", **LOBBY)
    recorded("CreateCollection", **LOBBY)


def test_errors_have_the_names_of_rekognition(client: Rekognition, photos: Photos) -> None:
    in_s3 = {"S3Object": {"Bucket": "photos", "Name": "a.jpg"}}
    for operation, sent, name in (
        ("DetectFaces", {"Image": in_s3}, "InvalidS3ObjectException"),
        ("DetectFaces", {"Image": {}}, "InvalidParameterException"),
        ("DetectFaces", {}, "InvalidParameterException"),
        ("DetectFaces", {"Image": image(b"text")}, "InvalidImageFormatException"),
        ("DetectFaces", {"Image": image(photos["obama"][:3000])}, "InvalidImageFormatException"),
        ("IndexFaces", {**LOBBY, "Image": in_s3}, "InvalidS3ObjectException"),
        ("IndexFaces", {"CollectionId": "no", "Image": in_s3}, "ResourceNotFoundException"),
        ("DetectLabels", {}, "UnknownOperationException"),
        ("ListFaces", {**LOBBY, "UserId": "nobody"}, "ResourceNotFoundException"),
        ("ListFaces", {**LOBBY, "MaxResults": -1}, "InvalidParameterException"),
    ):
        assert client.fails(operation, **sent) == name, operation
