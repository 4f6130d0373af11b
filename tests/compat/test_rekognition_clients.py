"""Unmodified clients of Rekognition against a server process, with every operation."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.compat.rekognition.routes import OPERATIONS
from harness.servers import Server
from tests.compat.client_process import Json, run
from tests.compat.rekognition_walk_through import WALK_THROUGH

KEY, SECRET = "DOORKEY", "not-a-real-secret-0123456789"

PYTHON = ("boto3==1.44.8", "botocore==1.44.8")
PYTHON_CALLS = """
import datetime, json, sys
from pathlib import Path
import boto3
from botocore.exceptions import ClientError

photo = lambda name: {{"Bytes": Path(sys.argv[1], name + ".jpg").read_bytes()}}
client = boto3.client(
    "rekognition", endpoint_url="http://127.0.0.1:" + sys.argv[2], region_name="eu-west-1",
    aws_access_key_id="{key}", aws_secret_access_key="{secret}",
)
wrong = boto3.client(
    "rekognition", endpoint_url="http://127.0.0.1:" + sys.argv[2], region_name="eu-west-1",
    aws_access_key_id="{key}", aws_secret_access_key="another-secret",
)
A = {{"CollectionId": "friends"}}
answers, failures = {{}}, {{}}

def call(name, operation, **fields):
    answers[name] = getattr(client, operation)(**fields)
    return answers[name]

def fails(name, error, work, **fields):
    try:
        work(**fields)
    except error as found:
        failures[name] = found.response["Error"]["Code"]

errors = client.exceptions
call("CreateCollection", "create_collection", **A)
fails("exists", errors.ResourceAlreadyExistsException, client.create_collection, **A)
call("ListCollections", "list_collections")
call("DescribeCollection", "describe_collection", **A)
assert isinstance(answers["DescribeCollection"]["CreationTimestamp"], datetime.datetime)
first = call("IndexFaces", "index_faces", **A, Image=photo("obama"), ExternalImageId="one",
             MaxFaces=3, QualityFilter="AUTO", DetectionAttributes=["ALL"])
second = client.index_faces(**A, Image=photo("obama2"))
a, b = (one["FaceRecords"][0]["Face"]["FaceId"] for one in (first, second))
pages = client.get_paginator("list_faces").paginate(**A, PaginationConfig={{"PageSize": 1}})
answers["ListFaces"] = {{"Faces": [face for page in pages for face in page["Faces"]]}}
call("SearchFaces", "search_faces", **A, FaceId=a)
call("SearchFacesByImage", "search_faces_by_image", **A, Image=photo("obama3"))
fails("no face", errors.InvalidParameterException, client.search_faces_by_image, **A,
      Image=photo("nobody"))
call("CompareFaces", "compare_faces", SourceImage=photo("obama"), TargetImage=photo("obama2"))
call("different", "compare_faces", SourceImage=photo("obama"), TargetImage=photo("biden"))
call("DetectFaces", "detect_faces", Image=photo("obama"), Attributes=["ALL"])
call("CreateUser", "create_user", **A, UserId="barack")
call("AssociateFaces", "associate_faces", **A, UserId="barack", FaceIds=[a, b])
call("ListUsers", "list_users", **A)
call("SearchUsers", "search_users", **A, FaceId=a)
call("SearchUsersByImage", "search_users_by_image", **A, Image=photo("obama3"))
call("DisassociateFaces", "disassociate_faces", **A, UserId="barack", FaceIds=[a])
call("DeleteUser", "delete_user", **A, UserId="barack")
call("DeleteFaces", "delete_faces", **A, FaceIds=[a, b])
call("DeleteCollection", "delete_collection", **A)
fails("gone", errors.ResourceNotFoundException, client.describe_collection, **A)
fails("s3", errors.InvalidS3ObjectException, client.detect_faces,
      Image={{"S3Object": {{"Bucket": "photos", "Name": "a.jpg"}}}})
fails("signature", ClientError, wrong.list_collections)
print(json.dumps({{"answers": answers, "failures": failures, "ids": [a, b]}}, default=str))
"""

JAVASCRIPT = "@aws-sdk/client-rekognition@3.1142.0"
JAVASCRIPT_CALLS = """
import {{ readFileSync }} from "node:fs";
import * as sdk from "@aws-sdk/client-rekognition";

const photo = (name) => ({{Bytes: readFileSync(`./${{name}}.jpg`)}});
const connect = (secretAccessKey) => new sdk.RekognitionClient({{
  endpoint: "http://127.0.0.1:" + process.argv[2], region: "eu-west-1",
  credentials: {{accessKeyId: "{key}", secretAccessKey}},
}});
const client = connect("{secret}");
const A = {{CollectionId: "friends"}};
const answers = {{}}, failures = {{}};
const send = (operation, fields, to = client) => to.send(new sdk[operation + "Command"](fields));
const call = async (name, fields) => (answers[name] = await send(name, fields));
const fails = (name, ...rest) => send(...rest).catch((e) => {{ failures[name] = e.name; }});

await call("CreateCollection", A);
await fails("exists", "CreateCollection", A);
await call("ListCollections", {{}});
await call("DescribeCollection", A);
if (!(answers.DescribeCollection.CreationTimestamp instanceof Date)) throw new Error("no date");
await call("IndexFaces", {{...A, Image: photo("obama"), ExternalImageId: "one", MaxFaces: 3,
                          QualityFilter: "AUTO", DetectionAttributes: ["ALL"]}});
const second = await send("IndexFaces", {{...A, Image: photo("obama2")}});
const [a, b] = [answers.IndexFaces, second].map((one) => one.FaceRecords[0].Face.FaceId);
const Faces = [];
const pages = sdk.paginateListFaces({{client, pageSize: 1}}, A);
for await (const page of pages) Faces.push(...page.Faces);
answers.ListFaces = {{Faces}};
await call("SearchFaces", {{...A, FaceId: a}});
await call("SearchFacesByImage", {{...A, Image: photo("obama3")}});
await fails("no face", "SearchFacesByImage", {{...A, Image: photo("nobody")}});
await call("CompareFaces", {{SourceImage: photo("obama"), TargetImage: photo("obama2")}});
const pair = {{SourceImage: photo("obama"), TargetImage: photo("biden")}};
answers.different = await send("CompareFaces", pair);
await call("DetectFaces", {{Image: photo("obama"), Attributes: ["ALL"]}});
await call("CreateUser", {{...A, UserId: "barack"}});
await call("AssociateFaces", {{...A, UserId: "barack", FaceIds: [a, b]}});
await call("ListUsers", A);
await call("SearchUsers", {{...A, FaceId: a}});
await call("SearchUsersByImage", {{...A, Image: photo("obama3")}});
await call("DisassociateFaces", {{...A, UserId: "barack", FaceIds: [a]}});
await call("DeleteUser", {{...A, UserId: "barack"}});
await call("DeleteFaces", {{...A, FaceIds: [a, b]}});
await call("DeleteCollection", A);
await fails("gone", "DescribeCollection", A);
await fails("s3", "DetectFaces", {{Image: {{S3Object: {{Bucket: "photos", Name: "a.jpg"}}}}}});
await fails("signature", "ListCollections", {{}}, connect("another-secret"));
console.log(JSON.stringify({{answers, failures, ids: [a, b]}}));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server process with a key."""
    running = Server(
        tmp_path_factory.mktemp("data"),
        SIMA_COMPAT="rekognition",
        SIMA_REKOGNITION_KEYS=json.dumps({KEY: {"secret": SECRET, "role": "admin"}}),
    ).wait_until_ready(300.0)
    yield running
    running.stop()


def check(found: Json) -> None:
    """Checks the answers that both clients have received."""
    answers, [a, b] = found["answers"], found["ids"]
    assert set(OPERATIONS) <= set(answers)
    assert answers["CreateCollection"]["StatusCode"] == 200
    assert answers["ListCollections"]["CollectionIds"] == ["default", "friends"]
    assert answers["DescribeCollection"]["FaceCount"] == 0
    [record] = answers["IndexFaces"]["FaceRecords"]
    assert record["Face"]["ExternalImageId"] == "one"
    assert [face["FaceId"] for face in answers["ListFaces"]["Faces"]] == [a, b]
    assert [one["Face"]["FaceId"] for one in answers["SearchFaces"]["FaceMatches"]] == [b]
    by_image = answers["SearchFacesByImage"]["FaceMatches"]
    assert {one["Face"]["FaceId"] for one in by_image} <= {a, b}
    assert by_image
    [match] = answers["CompareFaces"]["FaceMatches"]
    assert match["Similarity"] >= 80
    assert answers["different"]["FaceMatches"] == []
    assert len(answers["different"]["UnmatchedFaces"]) == 1
    assert answers["DetectFaces"]["FaceDetails"][0]["Confidence"] > 90
    assert [one["FaceId"] for one in answers["AssociateFaces"]["AssociatedFaces"]] == [a, b]
    assert answers["ListUsers"]["Users"] == [{"UserId": "barack", "UserStatus": "ACTIVE"}]
    for operation in ("SearchUsers", "SearchUsersByImage"):
        assert [one["User"]["UserId"] for one in answers[operation]["UserMatches"]] == ["barack"]
    assert [one["FaceId"] for one in answers["DisassociateFaces"]["DisassociatedFaces"]] == [a]
    assert sorted(answers["DeleteFaces"]["DeletedFaces"]) == sorted([a, b])
    assert found["failures"] == {
        "exists": "ResourceAlreadyExistsException",
        "no face": "InvalidParameterException",
        "gone": "ResourceNotFoundException",
        "s3": "InvalidS3ObjectException",
        "signature": "InvalidSignatureException",
    }


@pytest.fixture(scope="module")
def boto3(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of boto3, which only the client programs import."""
    packages = str(tmp_path_factory.mktemp("packages"))
    install = ("-m", "pip", "install", "--quiet", "--target", packages, *PYTHON)
    subprocess.run([sys.executable, *install], check=True, timeout=300)
    return packages


@pytest.mark.slow
def test_boto3(server: Server, folder: Path, boto3: str) -> None:
    code = PYTHON_CALLS.format(key=KEY, secret=SECRET)
    command = (sys.executable, "-c", code, str(folder), str(server.port))
    check(run(*command, folder=folder, PYTHONPATH=boto3))


@pytest.mark.slow
def test_the_documented_life_of_a_collection(server: Server, folder: Path, boto3: str) -> None:
    code = WALK_THROUGH.format(key=KEY, secret=SECRET)
    command = (sys.executable, "-c", code, str(folder), str(server.port))
    found = run(*command, folder=folder, PYTHONPATH=boto3)
    assert sorted(found["by image"]) == ["obama.jpg", "obama2.jpg"]
    assert found["by face"] == ["obama2.jpg"]
    assert found["users by image"] == ["44"]
    assert found["users by face"] == []
    assert found["collections"] == ["default"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm")
def test_the_javascript_client(server: Server, folder: Path) -> None:
    install = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", JAVASCRIPT)
    subprocess.run(install, cwd=folder, check=True, timeout=300, capture_output=True)
    (folder / "calls.mjs").write_text(JAVASCRIPT_CALLS.format(key=KEY, secret=SECRET))
    check(run("node", "calls.mjs", str(server.port), folder=folder))
