"""A program that works through the life of a collection, in the order of AWS's documentation:
its arguments are the folder of the photos and the port."""

WALK_THROUGH = """
import json, sys
from pathlib import Path
import boto3

client = boto3.client(
    "rekognition", endpoint_url="http://127.0.0.1:" + sys.argv[2], region_name="eu-west-1",
    aws_access_key_id="{key}", aws_secret_access_key="{secret}",
)
STAFF = {{"CollectionId": "staff"}}

def photo(name):
    return {{"Bytes": Path(sys.argv[1], name + ".jpg").read_bytes()}}

def index(name):
    answer = client.index_faces(
        **STAFF, Image=photo(name), ExternalImageId=name + ".jpg", MaxFaces=1,
        QualityFilter="AUTO", DetectionAttributes=["DEFAULT"],
    )
    [record] = answer["FaceRecords"]
    assert record["Face"]["ExternalImageId"] == name + ".jpg"
    assert 0 < record["Face"]["BoundingBox"]["Width"] < 1
    return record["Face"]["FaceId"]

def names(matches):
    return [one["Face"]["ExternalImageId"] for one in matches]

found = {{}}
created = client.create_collection(**STAFF)
assert created["StatusCode"] == 200 and created["CollectionArn"].endswith("staff")
assert "staff" in client.list_collections(MaxResults=10)["CollectionIds"]

ids = {{name: index(name) for name in ("obama", "obama2", "biden")}}
assert client.describe_collection(**STAFF)["FaceCount"] == 3
listed = client.list_faces(**STAFF, MaxResults=20)["Faces"]
assert [face["FaceId"] for face in listed] == list(ids.values())

by_image = client.search_faces_by_image(
    **STAFF, Image=photo("obama3"), MaxFaces=2, FaceMatchThreshold=80)
found["by image"] = names(by_image["FaceMatches"])
assert by_image["SearchedFaceConfidence"] > 90
by_id = client.search_faces(**STAFF, FaceId=ids["obama"], MaxFaces=2, FaceMatchThreshold=80)
found["by face"] = names(by_id["FaceMatches"])

client.create_user(**STAFF, UserId="44")
both = [ids["obama"], ids["obama2"]]
joined = client.associate_faces(**STAFF, UserId="44", FaceIds=both, UserMatchThreshold=80)
assert [one["FaceId"] for one in joined["AssociatedFaces"]] == both
assert client.describe_collection(**STAFF)["UserCount"] == 1
assert client.list_users(**STAFF)["Users"] == [{{"UserId": "44", "UserStatus": "ACTIVE"}}]
of_user = client.list_faces(**STAFF, UserId="44")["Faces"]
assert [face["FaceId"] for face in of_user] == both
users = client.search_users_by_image(**STAFF, Image=photo("obama3"), UserMatchThreshold=80)
found["users by image"] = [one["User"]["UserId"] for one in users["UserMatches"]]
users = client.search_users(**STAFF, FaceId=ids["biden"], UserMatchThreshold=80)
found["users by face"] = [one["User"]["UserId"] for one in users["UserMatches"]]

client.disassociate_faces(**STAFF, UserId="44", FaceIds=both[:1])
assert [face["FaceId"] for face in client.list_faces(**STAFF, UserId="44")["Faces"]] == both[1:]
client.delete_user(**STAFF, UserId="44")
assert client.list_users(**STAFF)["Users"] == []
assert len(client.list_faces(**STAFF)["Faces"]) == 3
deleted = client.delete_faces(**STAFF, FaceIds=[ids["biden"]])
assert deleted["DeletedFaces"] == [ids["biden"]]
assert client.describe_collection(**STAFF)["FaceCount"] == 2
assert client.delete_collection(**STAFF)["StatusCode"] == 200
found["collections"] = client.list_collections()["CollectionIds"]
print(json.dumps(found))
"""
